"""How forms are drawn: label, hint, error, input, each bound to the next for screen readers."""

import re

from django import forms


class Everything(forms.Form):
    name = forms.CharField(help_text="As on the <b>card</b>.")
    plain = forms.CharField(required=False)
    agree = forms.BooleanField(label="I agree", help_text="Read it first.")
    colours = forms.MultipleChoiceField(
        choices=[("r", "Red"), ("g", "Green")], widget=forms.CheckboxSelectMultiple, help_text="As many as you like."
    )
    size = forms.ChoiceField(choices=[("s", "Small")], widget=forms.RadioSelect, required=False)
    kind = forms.ChoiceField(choices=[("a", "A")])
    token = forms.CharField(widget=forms.HiddenInput)

    def clean(self):
        if self.errors:
            raise forms.ValidationError("Please look again.")


def ids(html: str) -> set[str]:
    found = re.findall(r'\bid="([^"]+)"', html)
    assert len(found) == len(set(found)), "no id stands twice"
    return set(found)


def test_it_works():
    html = str(Everything())
    assert html.index(">Name<") < html.index("As on the <b>card</b>.") < html.index('name="name"')
    assert 'aria-describedby="id_name_helptext"' in html
    assert 'role="alert"' not in html
    assert "aria-invalid" not in html


def test_mistakes_are_summed_up_first_and_said_beside():
    html = str(Everything({}))
    summary, _, rest = html.partition("</ul>")
    assert html.index('role="alert"') < html.index('name="name"')
    assert "Please look again." in summary
    for field in ("name", "agree", "colours", "kind"):
        assert f'href="#id_{field}"' in summary
        assert f'id="id_{field}_error"' in rest
    assert 'href="#id_token"' not in summary, "nobody can go to a hidden field"
    assert summary.count("This field is required.") == 5


def test_every_reference_has_its_target():
    html = str(Everything({}))
    present = ids(html)
    for name in ("for", "aria-labelledby", "aria-describedby"):
        for value in re.findall(rf'\b{name}="([^"]*)"', html):
            assert value.strip() == value != ""
            assert set(value.split()) <= present, (name, value)
    for anchor in re.findall(r'href="#([^"]+)"', html):
        assert anchor in present


def test_every_input_has_its_label():
    html = str(Everything({}))
    labelled = set(re.findall(r'<label[^>]* for="([^"]+)"', html))
    inputs = set(re.findall(r'<(?:input|select)(?![^>]*type="hidden")[^>]* id="([^"]+)"', html))
    assert inputs <= labelled
    assert html.count("<legend") == html.count("<fieldset") == 2


def test_what_is_wrong_is_marked():
    html = str(Everything({"name": "A", "agree": "on", "kind": "a", "token": "t"}))
    assert html.count('aria-invalid="true"') >= 1
    assert 'aria-describedby="id_colours_helptext id_colours_error"' in html
    assert 'id="id_name_error"' not in html


def test_several_mistakes_of_a_field_are_all_said():
    form = Everything({"name": "x"})
    form.add_error("name", ["Too short.", "Too <b>plain</b>."])
    html = str(form)
    assert "Too short. Too &lt;b&gt;plain&lt;/b&gt;." in html


def test_what_was_typed_is_escaped():
    assert "<script>" not in str(Everything({"name": '"><script>'}))


def test_two_forms_on_a_page_do_not_share_ids():
    assert not ids(str(Everything({}, prefix="a"))) & ids(str(Everything({}, prefix="b")))
