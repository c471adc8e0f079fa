import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('annotation', '0012_first_taxonomy'),
        ('core', '0011_endpoint_sharers'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Guideline',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField()),
                ('text_en', models.TextField(blank=True)),
                ('text_zh', models.TextField(blank=True)),
                ('created', models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name='LabelChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('before', models.JSONField()),
                ('after', models.JSONField()),
                ('revision', models.PositiveIntegerField()),
                ('confidence', models.FloatField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='LabelComment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', models.CharField(max_length=500)),
                ('standing', models.BooleanField(default=True)),
                ('created', models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name='LabelOpinion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('target', models.CharField(max_length=8)),
                ('standing', models.BooleanField(default=True)),
            ],
        ),
        migrations.CreateModel(
            name='LabelPair',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('letter', models.CharField(max_length=1)),
                ('kind', models.CharField(max_length=20)),
                ('weight', models.FloatField()),
            ],
        ),
        migrations.CreateModel(
            name='LabelPlace',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('place', models.PositiveIntegerField()),
                ('examples', models.JSONField(default=list)),
            ],
        ),
        migrations.CreateModel(
            name='LabelPresence',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('seen', models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name='LabelRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('keyer', models.CharField(max_length=20)),
                ('key', models.CharField(max_length=200)),
                ('target', models.CharField(max_length=8)),
                ('theme', models.CharField(blank=True, default='', max_length=60)),
                ('standing', models.BooleanField(default=True)),
            ],
        ),
        migrations.CreateModel(
            name='LabelSpelling',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', models.CharField(max_length=1000)),
            ],
        ),
        migrations.CreateModel(
            name='MergePolicy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('two_people', models.BooleanField(default=False)),
                ('prompts_from', models.PositiveIntegerField(default=1000)),
                ('confidence_below', models.FloatField(default=0.6)),
            ],
        ),
        migrations.CreateModel(
            name='RefusedPair',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('standing', models.BooleanField(default=True)),
            ],
        ),
        migrations.AlterModelOptions(
            name='category',
            options={'ordering': ['taxonomy', 'position']},
        ),
        migrations.AddField(
            model_name='category',
            name='examples_en',
            field=models.TextField(blank=True, default=''),
        ),
        migrations.AddField(
            model_name='category',
            name='examples_zh',
            field=models.TextField(blank=True, default=''),
        ),
        migrations.AlterField(  # these three go: without a value until they do, so that they can be brought back
            model_name='labeloperation',
            name='label',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to='annotation.intentlabel'),
        ),
        migrations.AlterField(
            model_name='labeloperation',
            name='before',
            field=models.JSONField(null=True),
        ),
        migrations.AlterField(
            model_name='labeloperation',
            name='after',
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name='labeloperation',
            name='parent',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='annotation.labeloperation'),
        ),
        migrations.AddField(
            model_name='labeloperation',
            name='payload',
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name='labeloperation',
            name='verb',
            field=models.CharField(choices=[('assign', 'put into a category'), ('theme', 'gave a common name'), ('flag', 'flagged'), ('refuse', 'said: not together'), ('comment', 'commented'), ('opinion', 'gave a blind answer'), ('settle', 'settled a disagreement'), ('apply', 'applied a file or rules')], default='assign', max_length=8),
        ),
        migrations.AddField(
            model_name='mapentry',
            name='flagged',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='mapentry',
            name='second',
            field=models.CharField(blank=True, choices=[('', 'One person decides'), ('waiting', 'Waits for a second person'), ('conflict', 'Two people disagree')], default='', max_length=8),
        ),
        migrations.AddField(
            model_name='mapentry',
            name='theme',
            field=models.CharField(blank=True, default='', max_length=60),
        ),
        migrations.AddField(
            model_name='mergemap',
            name='author',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='mergemap',
            name='note',
            field=models.CharField(blank=True, max_length=300),
        ),
        migrations.AddField(
            model_name='mergemap',
            name='runs',
            field=models.JSONField(default=list),
        ),
        migrations.AlterField(
            model_name='category',
            name='code',
            field=models.CharField(max_length=8),
        ),
        migrations.AlterField(
            model_name='category',
            name='position',
            field=models.PositiveSmallIntegerField(),
        ),
        migrations.AlterField(
            model_name='intentlabel',
            name='name',
            field=models.CharField(max_length=1000),
        ),
        migrations.AddIndex(
            model_name='labeloperation',
            index=models.Index(fields=['merge_map', 'actor', 'id'], name='operation_of_actor'),
        ),
        migrations.AddField(
            model_name='guideline',
            name='author',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='guideline',
            name='category',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='guidelines', to='annotation.category'),
        ),
        migrations.AddField(
            model_name='labelchange',
            name='entry',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='changes', to='annotation.mapentry'),
        ),
        migrations.AddField(
            model_name='labelchange',
            name='operation',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='changes', to='annotation.labeloperation'),
        ),
        migrations.AddField(
            model_name='labelcomment',
            name='author',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='labelcomment',
            name='label',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='comments', to='annotation.intentlabel'),
        ),
        migrations.AddField(
            model_name='labelcomment',
            name='operation',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='comment', to='annotation.labeloperation'),
        ),
        migrations.AddField(
            model_name='labelopinion',
            name='entry',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='opinions', to='annotation.mapentry'),
        ),
        migrations.AddField(
            model_name='labelopinion',
            name='operation',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='opinion', to='annotation.labeloperation'),
        ),
        migrations.AddField(
            model_name='labelopinion',
            name='person',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='labelpair',
            name='first',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='annotation.intentlabel'),
        ),
        migrations.AddField(
            model_name='labelpair',
            name='run',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='core.run'),
        ),
        migrations.AddField(
            model_name='labelpair',
            name='second',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='annotation.intentlabel'),
        ),
        migrations.AddField(
            model_name='labelplace',
            name='label',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='annotation.intentlabel'),
        ),
        migrations.AddField(
            model_name='labelplace',
            name='run',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='core.run'),
        ),
        migrations.AddField(
            model_name='labelpresence',
            name='label',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='annotation.intentlabel'),
        ),
        migrations.AddField(
            model_name='labelpresence',
            name='person',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='labelrule',
            name='operation',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='rules', to='annotation.labeloperation'),
        ),
        migrations.AddField(
            model_name='labelspelling',
            name='label',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='spellings', to='annotation.intentlabel'),
        ),
        migrations.AddField(
            model_name='refusedpair',
            name='first',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='annotation.intentlabel'),
        ),
        migrations.AddField(
            model_name='refusedpair',
            name='operation',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='refused', to='annotation.labeloperation'),
        ),
        migrations.AddField(
            model_name='refusedpair',
            name='second',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='annotation.intentlabel'),
        ),
        migrations.AddField(
            model_name='category',
            name='taxonomy',
            field=models.ForeignKey(db_index=False, default=1, on_delete=django.db.models.deletion.PROTECT, related_name='categories', to='annotation.taxonomy'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='mergemap',
            name='taxonomy',
            field=models.ForeignKey(default=1, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='annotation.taxonomy'),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            model_name='category',
            constraint=models.UniqueConstraint(fields=('taxonomy', 'code'), name='category_once_per_taxonomy'),
        ),
        migrations.AddConstraint(
            model_name='category',
            constraint=models.UniqueConstraint(fields=('taxonomy', 'position'), name='category_one_per_place'),
        ),
        migrations.AddConstraint(
            model_name='guideline',
            constraint=models.UniqueConstraint(fields=('category', 'version'), name='guideline_version_once'),
        ),
        migrations.AddConstraint(
            model_name='labelchange',
            constraint=models.UniqueConstraint(fields=('entry', 'revision'), name='change_once_per_revision'),
        ),
        migrations.AddConstraint(
            model_name='labelopinion',
            constraint=models.UniqueConstraint(condition=models.Q(('standing', True)), fields=('entry', 'person'), name='opinion_one_per_person'),
        ),
        migrations.AddConstraint(
            model_name='labelpair',
            constraint=models.UniqueConstraint(fields=('run', 'first', 'second', 'kind'), name='pair_once_per_run'),
        ),
        migrations.AddConstraint(
            model_name='labelplace',
            constraint=models.UniqueConstraint(fields=('run', 'label'), name='place_once_per_run'),
        ),
        migrations.AddConstraint(
            model_name='labelrule',
            constraint=models.UniqueConstraint(condition=models.Q(('standing', True)), fields=('keyer', 'key'), name='rule_once_per_key'),
        ),
        migrations.AddConstraint(
            model_name='labelspelling',
            constraint=models.UniqueConstraint(fields=('label', 'text'), name='spelling_once'),
        ),
        migrations.AddConstraint(
            model_name='refusedpair',
            constraint=models.UniqueConstraint(condition=models.Q(('standing', True)), fields=('first', 'second'), name='refused_pair_once'),
        ),
    ]
