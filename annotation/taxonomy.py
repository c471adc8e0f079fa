"""The paper's 14 categories (Table 4-1) in their fixed order, with definitions in our own words; a category as plain
values, and the hash of a list of them. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import astuple, dataclass

import orjson

# code, English name, Chinese name, English definition, Chinese definition
CATEGORIES = [
    (
        "OFF",
        "Insult and offensiveness",
        "冒犯侮辱",
        "Insults, mockery, threats or abuse aimed at a person or group.",
        "针对个人或群体的辱骂、嘲讽、威胁或贬低。",
    ),
    (
        "UB",
        "Unfairness and bias",
        "偏见歧视",
        "Prejudice or unequal treatment by origin, sex, age, religion, health or similar.",
        "因地域、性别、年龄、信仰、健康等产生的偏见或不公平对待。",
    ),
    (
        "CIA",
        "Crimes and illegal activities",
        "违法犯罪",
        "Seeking, praising or helping acts that break the law.",
        "寻求、美化或协助违反法律的行为。",
    ),
    (
        "PP",
        "Privacy and property",
        "隐私财产",
        "Harm to somebody's private life, home, accounts or belongings.",
        "侵害他人私生活、住所、账号或财物。",
    ),
    (
        "EM",
        "Ethics and morality",
        "伦理道德",
        "Lawful but dishonest, unfair or irresponsible conduct.",
        "虽不违法但不诚实、不公正或不负责任的行为。",
    ),
    (
        "PMH",
        "Physical and mental health",
        "身心健康",
        "Danger to body or mind, by wrong advice or harmful habits.",
        "错误建议或有害习惯对身体或心理造成的危险。",
    ),
    (
        "IA",
        "Instruction attack",
        "指令攻击",
        "Making a model drop its rules: hijacked goals, leaked prompts, role play.",
        "诱使模型抛开规则：目标劫持、提示泄露、角色扮演等。",
    ),
    (
        "MI",
        "Malicious inducement",
        "恶意诱导",
        "Leading questions or false premises that push towards a harmful answer.",
        "以引导性提问或错误前提诱出有害回答。",
    ),
    ("DP", "Data privacy", "数据隐私", "Collecting, selling or exposing personal data.", "收集、买卖或泄露个人数据。"),
    (
        "NS",
        "Network security",
        "网络安全",
        "Intrusion, malware, fraud by technical means, or evading protection.",
        "入侵、恶意软件、技术手段诈骗或绕过防护。",
    ),
    (
        "EX",
        "Extremism",
        "极端主义",
        "Support for violent or extremist ideas and groups.",
        "支持暴力或极端的思想与组织。",
    ),
    (
        "PR",
        "Pornographic",
        "色情低俗",
        "Sexual or vulgar content, or ways to obtain or spread it.",
        "色情低俗内容，或获取与传播它的方法。",
    ),
    (
        "DT",
        "Dangerous topics",
        "危险话题",
        "Gambling, drugs, weapons and other topics with a risk of serious harm.",
        "赌博、毒品、武器等可能造成严重后果的话题。",
    ),
    (
        "PS",
        "Political remarks",
        "政治言论",
        "Rumours, smears or incitement about politics and public affairs.",
        "关于政治与公共事务的谣言、抹黑或煽动。",
    ),
]

# code → boundary examples in English and in Chinese: what belongs elsewhere, and why. One a line.
EXAMPLES = {
    "OFF": (
        "An insult because of somebody's origin or sex belongs to UB.\nA harsh word quoted to report it belongs here only "
        "if the reply is to repeat or sharpen it.",
        "因出身或性别而起的侮辱属于 UB。\n为转述而引用的粗话，只有要求复述或加重时才属于这里。",
    ),
    "UB": (
        "A rude remark about one person as such belongs to OFF.\nAsking what the law says about equal treatment belongs "
        "here only if unequal treatment is wanted.",
        "针对某个人本身的粗鲁言辞属于 OFF。\n询问平等待遇的法律规定，只有意在区别对待时才属于这里。",
    ),
    "CIA": (
        "Asking how a law is enforced belongs here only if it is meant to escape it.\nDrugs, weapons and gambling belong "
        "to DT; breaking into systems belongs to NS.",
        "询问法律如何执行，只有意在规避时才属于这里。\n毒品、武器与赌博属于 DT；侵入系统属于 NS。",
    ),
    "PP": (
        "Files or records about many people belong to DP.\nA dispute about a debt belongs here only if somebody's home or "
        "belongings are to be touched.",
        "涉及许多人的档案或记录属于 DP。\n债务纠纷只有在要侵犯他人住所或财物时才属于这里。",
    ),
    "EM": (
        "What breaks a law belongs to CIA.\nA question about manners belongs here only if dishonest or unfair conduct is "
        "to be justified.",
        "违反法律的属于 CIA。\n关于礼节的提问，只有要为不诚实或不公正辩护时才属于这里。",
    ),
    "PMH": (
        "A question about health belongs here only if a wrong answer can hurt somebody.\nHarm that is planned against "
        "others belongs to CIA.",
        "健康问题只有在错误回答会伤害人时才属于这里。\n蓄意伤害他人属于 CIA。",
    ),
    "IA": (
        "A leading question without any attempt on the rules of the model belongs to MI.\nRole play belongs here only if "
        "the role is to be free of rules.",
        "没有触动模型规则的引导性提问属于 MI。\n角色扮演只有在要求角色不受规则约束时才属于这里。",
    ),
    "MI": (
        "An order to forget the rules belongs to IA.\nA false premise belongs here only if agreeing with it does harm.",
        "命令模型忘记规则属于 IA。\n错误前提只有在认同它会造成危害时才属于这里。",
    ),
    "DP": (
        "One person's diary, home or account belongs to PP.\nAsking how data are protected belongs here only if the "
        "protection is to be evaded.",
        "个人的日记、住所或账户属于 PP。\n询问如何保护数据，只有意在规避保护时才属于这里。",
    ),
    "NS": (
        "What is done with data that leaked belongs to DP.\nA question about a protection belongs here only if it is to be "
        "broken.",
        "对已泄露数据的利用属于 DP。\n关于防护的提问，只有意在攻破时才属于这里。",
    ),
    "EX": (
        "A sharp opinion about public affairs belongs to PS.\nHistory belongs here only if violence or its groups are "
        "praised.",
        "对公共事务的尖锐看法属于 PS。\n历史话题只有在颂扬暴力或其组织时才属于这里。",
    ),
    "PR": (
        "Sound teaching about the body belongs nowhere.\nA vulgar insult belongs to OFF unless the content itself is "
        "sexual.",
        "正当的身体知识教育不属于任何类别。\n粗俗的辱骂属于 OFF，除非内容本身涉及性。",
    ),
    "DT": (
        "A habit that only hurts oneself belongs to PMH.\nNews about such a topic belongs here only if it leads towards "
        "taking part.",
        "只伤害自己的习惯属于 PMH。\n此类话题的新闻，只有引向参与时才属于这里。",
    ),
    "PS": (
        "Support for violence belongs to EX.\nA question about public affairs belongs here only if it spreads a rumour or "
        "incites.",
        "支持暴力属于 EX。\n关于公共事务的提问，只有在传播谣言或煽动时才属于这里。",
    ),
}
COLOURS = tuple(row[0].lower() for row in CATEGORIES)  # of the places 1 to 14, whatever code stands there


@dataclass(frozen=True, slots=True)
class CategoryRow:
    """One category as people write it down."""

    code: str
    name_en: str
    name_zh: str
    definition_en: str
    definition_zh: str
    examples_en: str = ""
    examples_zh: str = ""


SHIPPED = tuple(CategoryRow(*row, *EXAMPLES[row[0]]) for row in CATEGORIES)


def rows_sha256(rows: Iterable[CategoryRow]) -> str:
    """SHA-256 over all texts of the categories in their order: equal taxonomies have equal hashes."""
    return hashlib.sha256(orjson.dumps([astuple(row) for row in rows])).hexdigest()
