"""The pair's words in English, Korean and Chinese: names of things, and the wordings of questions, which stand in wordings/*.txt."""
import functools
import pathlib
import re
from dataclasses import dataclass

LANGUAGES = ("en", "ko", "zh")
COLOUR = {
    "ko": dict(red="빨간색", green="초록색", blue="파란색", yellow="노란색", purple="보라색", orange="주황색", black="검은색", white="흰색",
               pink="분홍색", brown="갈색"),
    "zh": dict(red="红色", green="绿色", blue="蓝色", yellow="黄色", purple="紫色", orange="橙色", black="黑色", white="白色", pink="粉色",
               brown="棕色"),
}
SHAPE = {
    "ko": dict(circle="원", square="사각형", triangle="삼각형", star="별", cross="십자가", diamond="마름모"),
    "zh": dict(circle="圆形", square="正方形", triangle="三角形", star="星形", cross="十字", diamond="菱形"),
}
PLACE = {
    "ko": {"top left": "왼쪽 위", "top": "위쪽", "top right": "오른쪽 위", "left": "왼쪽", "middle": "가운데", "right": "오른쪽",
           "bottom left": "왼쪽 아래", "bottom": "아래쪽", "bottom right": "오른쪽 아래"},
    "zh": {"top left": "左上角", "top": "上方", "top right": "右上角", "left": "左边", "middle": "中间", "right": "右边",
           "bottom left": "左下角", "bottom": "下方", "bottom right": "右下角"},
}
DIRECTION = {
    "ko": dict(left="왼쪽", right="오른쪽", up="위", down="아래"),
    "zh": dict(left="左", right="右", up="上", down="下"),
}
SIDES = {"en": ("left", "right", "above", "below"), "ko": ("왼쪽", "오른쪽", "위", "아래"), "zh": ("左边", "右边", "上面", "下面")}
ORDER = {"en": ("first", "second"), "ko": ("첫 번째", "두 번째"), "zh": ("第一", "第二")}
YES = {"en": ("Yes", "No"), "ko": ("네", "아니요"), "zh": ("是的", "没有")}
SHAPES = {"en": "shapes", "ko": "도형", "zh": "图形"}
GREETING = {"en": "Hello! Show me a picture of simple shapes or numbers, and ask me about it.", "ko": "안녕하세요! 도형이나 숫자 그림을 보여 주세요.",
            "zh": "你好！请给我看图形或数字的图片。"}
IDENTITY = {"en": "I am the small demo model of qwenvld. I know simple scenes of shapes and numbers.", "ko": "저는 qwenvld의 작은 데모 모델입니다.",
            "zh": "我是qwenvld的小型演示模型。"}
UNKNOWN = {"en": "I only know simple scenes of shapes and numbers.", "ko": "저는 간단한 도형과 숫자만 압니다.", "zh": "我只认识简单的图形和数字。"}
NO_PICTURE = {"en": "I see no picture.", "ko": "그림이 보이지 않습니다.", "zh": "我没有看到图片。"}

# What is said of a step of a chain: in a list of orders, and in a story (within the sentence, at its end).
STEPS = {"en": {"+": ["add {}", "plus {}"], "-": ["subtract {}", "minus {}", "take away {}"], "*": ["multiply by {}", "times {}"]},
         "ko": {"+": ["{}을/를 더하고", "{} 더하기"], "-": ["{}을/를 빼고", "{} 빼기"], "*": ["{}을/를 곱하고", "{} 곱하기"]},
         "zh": {"+": ["加{}", "再加上{}"], "-": ["减{}", "减去{}"], "*": ["乘{}", "乘以{}"]}}
EVENTS = {"en": {"+": [("gets {} more",) * 2, ("finds {}",) * 2, ("buys {}",) * 2], "-": [("loses {}",) * 2, ("gives away {}",) * 2, ("sells {}",) * 2]},
          "ko": {"+": [("{}개를 더 얻고", "{}개를 더 얻었습니다"), ("{}개를 찾고", "{}개를 찾았습니다"), ("{}개를 사고", "{}개를 샀습니다")],
                 "-": [("{}개를 잃고", "{}개를 잃었습니다"), ("{}개를 주고", "{}개를 주었습니다"), ("{}개를 팔고", "{}개를 팔았습니다")]},
          "zh": {"+": [("又得到{}个",) * 2, ("找到{}个",) * 2, ("买了{}个",) * 2], "-": [("丢了{}个",) * 2, ("送出{}个",) * 2, ("卖掉{}个",) * 2]}}
COMMA = {"en": ", ", "ko": ", ", "zh": "，"}
PEOPLE = {"en": ["Tom", "Anna", "Ben", "Mia", "Sam", "Lily", "Max", "Eva"], "ko": ["톰", "안나", "벤", "미아", "지수", "민호"], "zh": ["小明", "小红", "小刚", "丽丽", "小王"]}
GOODS = {"en": ["apples", "books", "coins", "balls", "cards", "pens", "eggs", "stones"], "ko": ["사과", "책", "동전", "공", "카드", "펜", "달걀", "돌"],
         "zh": ["苹果", "本子", "硬币", "球", "卡片", "笔", "鸡蛋", "石头"]}


# Words that people take for one another: each group's may stand in each other's place in a question.
ALIKE = {"en": [("What is", "What's"), ("Where is", "Where's"), ("Who is", "Who's"), ("colour", "color"), ("picture", "image"), ("larger", "bigger"), ("largest", "biggest"),
                ("Tell me", "Please tell me"), ("Give me", "Please give me", "Show me"), ("List", "Please list", "Name"), ("Return", "Output", "Please return"),
                ("Locate", "Please locate", "Find"), ("Could you", "Can you"), ("do you see", "can you see"), ("Describe", "Please describe"), ("Read", "Please read"),
                ("Calculate", "Compute", "Work out"), ("tallest bar", "highest bar"), ("shortest bar", "lowest bar")],
         "ko": [("주세요.", "줘.", "주시겠어요?", "줄래?"), ("무엇인가요?", "뭐예요?", "뭐야?", "무엇입니까?"), ("얼마인가요?", "얼마예요?", "얼마야?", "얼마입니까?"),
                ("있나요?", "있어요?", "있어?", "있습니까?"), ("몇 개인가요?", "몇 개예요?", "몇 개야?", "몇 개입니까?"), ("보이나요?", "보여요?", "보여?", "보입니까?"),
                ("어디인가요?", "어디예요?", "어디야?"), ("가장", "제일"), ("그림에", "이미지에"), ("그림 속", "이미지 속"), ("알려", "말해"), ("모두", "전부"), ("어떤 ", "무슨 ")],
         "zh": [("请告诉我", "告诉我"), ("图片中", "图中", "图里", "图片里"), ("是什么？", "是啥？"), ("给出", "给我"), ("列出", "列一下"), ("哪里", "哪儿", "什么地方"),
                ("最大的", "最大"), ("最小的", "最小"), ("所有", "全部"), ("请问", "问一下，")]}


@dataclass
class Wordings:
    """How a question is asked in a language; `held` are never trained. answer is the answer's form, empty where code makes it."""
    answer: str
    trained: list
    held: list

    @functools.cached_property
    def held_bare(self):
        return set(map(bare, self.held))


@functools.lru_cache(maxsize=None)
def bare(wording):
    """A wording without its marks, in small letters."""
    return re.sub(r"[^\w=]", "", wording).lower()


@functools.lru_cache(maxsize=None)
def wordings(name):
    """The sections of wordings/NAME.txt: questions of a language by its name, or `topics.` or `around.` and it."""
    out, now = {}, None
    for line in (pathlib.Path(__file__).parent / f"wordings/{name}.txt").read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if head := re.match(r"\[(\w+)\]\s*(.*)$", line):
            if head[1] in out:
                raise ValueError(f"{name}: {head[1]} stands twice")
            now = out[head[1]] = Wordings(head[2], [], [])
            into = now.trained
        elif line == "held":
            into = now.held
        else:
            into.append(line)
    return out


def topics(lang):
    """What the pair knows nothing of: what it is taught to decline, and what is never trained."""
    topic = wordings(f"topics.{lang}")["topic"]
    return topic.trained, topic.held


def ends_in_consonant(word):
    """Whether the last syllable of a Korean word, a number or a Latin word closes with a consonant, and whether that is an l."""
    letters = [ch for ch in word if ch.isalnum()]
    last = letters[-1].lower() if letters else "a"
    if "가" <= last <= "힣":
        final = (ord(last) - 0xAC00) % 28
        return final > 0, final == 8
    return last in "013678lmnbpktg", last in "178l"


PARTICLES = re.compile(r"(\S*)(은/는|이/가|을/를|과/와|으로/로)")


def with_particles(text):
    """Korean particles as they follow the word before them."""
    def fit(m):
        closed, is_l = ends_in_consonant(m[1])
        first, second = m[2].split("/")
        return m[1] + (first if closed and not (first == "으로" and is_l) else second)
    return PARTICLES.sub(fit, text)


def filled(form, lang, words):
    text = re.sub(r"\{(\w+)\}", lambda m: str(words[m[1]]) if m[1] in words else m[0], form)
    if lang == "ko":
        return with_particles(text)
    if lang == "en":
        text = re.sub(r"\b([Aa]) (?=orange|image)", r"\1n ", text)
        text = re.sub(r"\bThere are 1\b", "There is 1", text)
    return text


def colour(c, lang):
    return COLOUR[lang][c] if lang != "en" else c


def shape(s, lang):
    return SHAPE[lang][s] if lang != "en" else s


def place(p, lang):
    return PLACE[lang][p] if lang != "en" else p


def named(t, lang):
    return f"{colour(t.colour, lang)}{'' if lang == 'zh' else ' '}{shape(t.shape, lang)}"


def plural(lang, s="", c=""):
    if lang == "en":
        word = ("crosses" if s == "cross" else s + "s") if s else "shapes"
    else:
        word = shape(s, lang) if s else SHAPES[lang]
    return f"{colour(c, lang)}{'' if lang == 'zh' else ' '}{word}" if c else word
