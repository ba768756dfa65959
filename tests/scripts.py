"""Short texts about sport and food in many scripts, made of a few words each."""

import csv
from itertools import product
from pathlib import Path

LABELS = ("food", "sport")
# Of each language and label: beginnings and ends of texts, and what stands between them.
WORDS = {
    "zh": {
        "sport": (["球队", "运动员", "守门员", "教练"], ["赢得比赛", "打破纪录", "进了两球"], ""),
        "food": (["厨师", "面包", "米饭", "餐厅"], ["味道很好", "加了辣椒", "刚刚出炉"], ""),
    },
    "ar": {
        "sport": (["الفريق", "اللاعب", "الحارس"], ["فاز بالمباراة", "سجل هدفين", "حطم الرقم"], " "),
        "food": (["الطباخ", "الخبز", "المطعم"], ["لذيذ جدا", "مع الزيت", "يقدم الحساء"], " "),
    },
    "ru": {
        "sport": (
            ["команда", "вратарь", "тренер"],
            ["выиграла матч", "забил гол", "побил рекорд"],
            " ",
        ),
        "food": (["повар", "хлеб", "суп"], ["очень вкусно", "и масло", "из печи"], " "),
    },
    "hi": {
        "sport": (["टीम", "खिलाड़ी", "कप्तान"], ["मैच जीता", "गोल किया", "रिकॉर्ड तोड़ा"], " "),
        "food": (["रसोइया", "रोटी", "चावल"], ["बहुत स्वादिष्ट", "मसाले के साथ", "गरम परोसा"], " "),
    },
    "en": {
        "sport": (
            ["the team", "⚽", "🏆 keeper"],
            ["won the match", "scored 🥅", "broke a record"],
            " ",
        ),
        "food": (["the cook", "🍞", "🍜 soup"], ["tastes good", "with butter 🧈", "is baked"], " "),
    },
}


def make_texts() -> list[tuple[str, str]]:
    """Return each text with its label: all pairs of words, and each again with a mark behind it."""
    texts = [
        (f"{beginning}{between}{end}{mark}", label)
        for labels in WORDS.values()
        for label, (beginnings, ends, between) in labels.items()
        for beginning, end in product(beginnings, ends)
        for mark in ("", " 2024", " x")
    ]
    return sorted(texts, key=lambda text: hash_free_order(text[0]))


def hash_free_order(text: str) -> int:
    """Return a number that mixes languages and labels, and is the same in every process."""
    return sum(ord(character) * (place + 7) for place, character in enumerate(text)) * 7919 % 104729


def write_texts(file: Path) -> Path:
    """Write all texts and their labels as a CSV file."""
    with file.open("w", encoding="utf-8", newline="") as output:
        csv.writer(output).writerows([("text", "topic"), *make_texts()])
    return file
