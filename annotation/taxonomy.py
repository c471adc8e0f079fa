"""The paper's 14 categories (Table 4-1) in their fixed order, with definitions in our own words. Pure data."""

from __future__ import annotations

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
