from django.db import migrations, models


class Migration(migrations.Migration):
    """One id is a list of one, so nothing has to be rewritten."""

    dependencies = [
        ('wallet', '0002_known_states_and_review'),
    ]

    operations = [
        migrations.RenameField(model_name='deposit', old_name='lead_id', new_name='lead_ids'),
        migrations.AlterField(
            model_name='deposit',
            name='lead_ids',
            field=models.CharField(
                blank=True, help_text='public ids of the leads to come back to, spaced', max_length=1050
            ),
        ),
    ]
