"""``{% chart c %}``: a chart of core.charts with its caption, its legend and the same numbers as a table."""

from django import template

from marketplace.core.charts import Chart

register = template.Library()


@register.inclusion_tag("core/chart.html")
def chart(chart: Chart) -> dict[str, Chart]:
    """The whole figure. A chart without numbers is its caption and a sentence."""
    return {"chart": chart}
