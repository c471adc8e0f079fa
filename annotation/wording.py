"""What importers say of rows and files, for `madsafe_web.core.wording`. A test compares this list with them."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

TITLES = (
    _("Alpaca (instruction, input, output)"),
    _("Columns of your own (JSONL, JSON, CSV, Parquet, text)"),
    _("CValues responsibility"),
    _("Hugging Face dataset"),
    _("ShareGPT (conversations)"),
)
# The type of a value in JSON.
KINDS = (_("null"), _("true or false"), _("a number"), _("a text"), _("an array"), _("an object"))
# Of a row or a field, whose name may stand before it.
ROWS = (
    _("is missing"),
    _("is empty"),
    _("is missing or empty"),
    _("is not a text"),
    _("is not an object"),
    _("is %(kind)s, expected an object"),
    _("is %(kind)s, expected an array"),
    _("is %(kind)s, expected a text"),
    _("is neither %(one)s nor %(other)s"),
    _("is missing or none of the options"),
    _("is missing or no option of question %(question)s"),
    _("is not an array of at least two texts"),
    _("has no list of options"),
    _("holds no list of texts to choose from"),
    _("has no turn of a person"),
    _("has an empty first turn of a person"),
    _("has a first turn of a person that is %(kind)s"),
    _("names no scenario"),
    _("ends the reading of this file: %(problem)s"),
)
WARNINGS = (
    _("%(field)s is missing"),
    _("%(field)s is empty"),
    _("%(field)s is %(kind)s, expected a text"),
    _("%(field)s is neither %(one)s nor %(other)s"),
    _("%(field)s is not an object"),
    _("%(field)s is not valid JSON"),
    _("%(field)s cannot be read"),
    _("%(field)s names no option"),
    _("%(field)s has no %(mark)s"),
    _("%(field)s is too long for its column; the whole of it is in the payload"),
    _("contains the placeholder %(placeholder)s, to be replaced before training"),
    _("there is no reply"),
    _("%(name)s was passed over: %(reason)s"),
    _("%(count)s more files were passed over"),
    _("two options are the same"),
    _("the answer file has category %(category)s"),
    _("type is spelt otherwise (%(type)s), taken as %(scenario)s"),
    _("type is another one (%(type)s), taken as %(scenario)s"),
    _("type is missing, taken as %(scenario)s"),
    _("type is %(kind)s, taken as %(scenario)s"),
)
# Of a file: what is wrong with it.
FILES = (
    _("the card leaves it out"),
    _("the file is empty"),
    _("it is empty"),
    _("no format fits"),
    _("none of its files is data"),
    _("no file in it can be read: %(reason)s"),
    _("there is no list under the name %(name)s"),
    _("expected a list under the name %(name)s, found %(found)s"),
    _("expected a folder, or a zip archive with %(card)s, found a single file"),
    _("no column is known to hold the prompts"),
    _("the questions carry no answers"),
    _("%(count)s of the %(total)s questions have no answer in it"),
    _("expected an object with an answer for each question id"),
    _("expected %(expected)s, but %(problem)s"),
)
FOUND = (
    _("no rows"),
    _("no columns"),
    _("columns %(names)s"),
    _("a row that %(reason)s"),
    _("an object with %(names)s"),
    _("an object with %(names)s under the name %(group)s"),
    _("%(kind)s under the name %(group)s"),
)
EXPECTED = (
    _("rows with %(names)s"),
    _("rows with a column of prompts"),
    _("rows with a column %(name)s"),
    _("columns %(names)s"),
    _("CSV columns %(names)s"),
    _("JSONL rows with %(names)s"),
    _("columns id, question, A, B, C and D, with answer and explanation or without"),
    _("CSV columns split, topic, label and TEXT, the index before them without a name"),
    _("rows with prompt and domain_zh (prompts), or with meta_info, prompt and label (multiple choice)"),
    _("columns id, question and either risk_area, types_of_harm, specific_harms or response, harmful, action"),
    _("columns id, prompt, type and either label, focus, note or completion, annotation_1, annotation_2"),
    _('rows with question and answer, the answer ending in "#### number"'),
    _("CSV rows of question, four options and a letter, or rows with question and answer (and choices)"),
    _("an object of arrays, scenario name to rows with prompt, response and type"),
    _("an array of questions with id, category, question and options"),
    _("an object of arrays, category name to questions with question, options and answer"),
    _("rows with conversations or messages, lists of turns with from and value or role and content"),
)
ADVICE = (
    _("Choose the format that fits this file"),
    _("Choose one, or say in a mapping which column holds the prompts"),
    _("Check that it is the right one"),
    _("Correct the mapping, or give the name of the list that holds the rows"),
    _("Say which in a mapping"),
    _("Import its files by the generic format, with a mapping"),
    _("Give the answer file of this set (test_answers_zh.json or test_answers_en.json)"),
)
MAPPINGS = (
    _("A mapping is a JSON object, %(example)s."),
    _("The mapping has no key '%(key)s'. It knows: %(keys)s."),
    _("The mapping does not say which column is the prompt; %(example)s."),
    _("The mapping's '%(key)s' must be the name of a column, or its number from 1."),
    _("The mapping's '%(key)s' names more than %(most)s columns."),
    _("The mapping's 'responses' has no key '%(key)s'. It knows: path, kind."),
    _("The mapping's 'responses' has a kind that is none of %(kinds)s."),
    _("The mapping's '%(key)s' must be true or false."),
)
# What the stages `import`, `merge` and `withdraw` stop at, and what they write into the log.
RUNS = (
    _("%(problem)s. Nothing of this file was imported."),
    _("%(file)s changed since its import began. Restore it, or import it as a new run."),
    _("There is no format '%(name)s'. Known: %(names)s."),
    _("There is no file %(name)s. Put it there or correct the path, then resume."),
    _("There is no corpus %(corpus)s to bring corrected rows into. Import it as a new corpus."),
    _("The corpus '%(corpus)s' was withdrawn, so nothing of its file is imported again."),
    _("The corpus '%(corpus)s' was withdrawn while it was imported. Nothing more is added."),
    _("There is already a corpus '%(corpus)s' from another file. Give this one another name."),
    _("%(corpus)s: imported with %(count)s warnings: %(listed)s."),  # in logs of earlier versions
    _("%(corpus)s: imported with %(count)s warnings."),
    _("%(corpus)s: %(count)s rows with the warning “%(reason)s”."),
    _("The process that read the file ended too early (exit code %(code)s). What was stored is kept. Resume the run."),
    _("%(error)s: %(file)s. What was stored is kept. Mend it, then resume the run."),
    _("Map %(map)s is published and can no longer change. Open the merge page again."),
    _("Map %(map)s is already published."),
    _("This step was taken back already."),
    _("There is no category %(category)s any more. Open the merge page again."),
    _("There is no published map v%(map)s. Name one that there is, or none for the newest."),
    _("Choose at least one labelling run."),
    _("The corpus %(corpus)s is not there any more, so nothing is linked to its prompts."),
    _("There are no labels to compare. Run the stage 'label' first."),
    _("Labels and prompts are the same as in run %(run)s: what it found is kept."),
    _("There is no corpus %(corpus)s. Nothing was withdrawn."),
    _("%(runs)s may be writing what derives from the corpus. Wait for them, then resume."),
    _("%(corpus)s: %(count)s prompts withdrawn, %(files)s uploaded files removed."),
    _("%(count)s labels wait for people. Decide them under Labels, then press “Finish merging”."),
    _("There are no labels to merge. Run the stage 'label' first."),
    _("There is no published merge map. Merge the labels and publish the map first."),
)
TEXTS = (*TITLES, *KINDS, *ROWS, *WARNINGS, *FILES, *FOUND, *EXPECTED, *ADVICE, *MAPPINGS, *RUNS)
