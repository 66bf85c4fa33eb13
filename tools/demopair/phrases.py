"""Names and question phrasings of the demo pair's skills, in English, Korean and Chinese."""

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
WHERE = {p: (p if p in ("middle",) else p) for p in PLACE["ko"]}

# For each skill and language: questions, answer. {a}, {b} are things ("red circle"), {s} a shape, {p} a plural, {c} a colour.
ASK = {
    "colour": dict(
        en=(["What colour is the {s}?", "What color is the {s}?", "Which colour does the {s} have?", "Tell me the colour of the {s}.",
             "The {s}: what colour is it?", "What is the color of the {s}?", "Name the colour of the {s}.", "Can you tell me what colour the {s} is?"],
            "The {s} is {c}."),
        ko=(["{s}은 무슨 색인가요?", "{s}의 색깔은 무엇인가요?", "{s}의 색을 알려 주세요.", "{s} 색이 뭐야?"], "{s}은 {c}입니다."),
        zh=(["{s}是什么颜色？", "{s}的颜色是什么？", "请告诉我{s}的颜色。", "图中的{s}是什么颜色的？"], "{s}是{c}的。")),
    "shape": dict(
        en=(["What shape is {c}?", "Which shape is {c}?", "What is the {c} thing?", "What is the shape of the {c} object?", "What {c} shape do you see?",
             "Name the {c} shape.", "Tell me what the {c} object is."], "It is a {s}."),
        ko=(["{c} 도형은 무엇인가요?", "{c}은 어떤 모양인가요?", "{c} 물체의 모양을 알려 주세요."], "{s}입니다."),
        zh=(["{c}的是什么形状？", "{c}的图形是什么？", "请说出{c}物体的形状。"], "是{s}。")),
    "count": dict(
        en=(["How many {p} are there?", "How many {p} do you see?", "Count the {p}.", "What is the number of {p}?", "How many {p} are in the picture?",
             "Tell me how many {p} the image has.", "Please count the {p} in this image."], "There are {n}."),
        ko=(["{p}은 몇 개인가요?", "{p}이 몇 개 있나요?", "{p}의 개수를 세어 주세요.", "그림에 {p}이 몇 개 있어?"], "{n}개입니다."),
        zh=(["有几个{p}？", "图中有多少个{p}？", "请数一数{p}的数量。", "{p}有几个？"], "有{n}个。")),
    "where": dict(
        en=(["Where is the {s}?", "Where in the picture is the {s}?", "In which part of the image is the {s}?", "Tell me where the {s} is.",
             "What is the position of the {s}?"], "The {s} is at the {w}."),
        ko=(["{s}은 어디에 있나요?", "{s}의 위치는 어디인가요?", "{s}이 어디 있어?"], "{s}은 {w}에 있습니다."),
        zh=(["{s}在哪里？", "{s}在图中的什么位置？", "请告诉我{s}的位置。"], "{s}在{w}。")),
    "corner": dict(
        en=(["What is in the {w} corner?", "Which shape is in the {w} corner?", "What do you see in the {w} corner?", "Name the thing in the {w} corner."],
            "A {a}."),
        ko=(["{w} 구석에 무엇이 있나요?", "{w} 모서리에 있는 것은 무엇인가요?"], "{a}입니다."),
        zh=(["{w}有什么？", "{w}是什么图形？"], "是{a}。")),
    "side": dict(
        en=(["Is the {a} left or right of the {b}?", "On which side of the {b} is the {a}, left or right?", "Is the {a} to the left or to the right of the {b}?",
             "Left or right: where is the {a}, seen from the {b}?"], "The {a} is {w} of the {b}."),
        ko=(["{a}은 {b}의 왼쪽에 있나요, 오른쪽에 있나요?", "{a}은 {b}의 어느 쪽에 있나요, 왼쪽 아니면 오른쪽?"], "{b}의 {w}에 있습니다."),
        zh=(["{a}在{b}的左边还是右边？", "{a}位于{b}的哪一边，左边还是右边？"], "在{b}的{w}。")),
    "level": dict(
        en=(["Is the {a} above or below the {b}?", "Is the {a} higher or lower than the {b}? Say above or below.", "Above or below: where is the {a}, seen from the {b}?"],
            "The {a} is {w} the {b}."),
        ko=(["{a}은 {b}보다 위에 있나요, 아래에 있나요?"], "{b}보다 {w}에 있습니다."),
        zh=(["{a}在{b}的上面还是下面？"], "在{b}的{w}。")),
    "larger": dict(
        en=(["Which is larger, the {a} or the {b}?", "Which is bigger, the {a} or the {b}?", "What is larger: the {a} or the {b}?", "Is the {a} or the {b} the larger one?",
             "Between the {a} and the {b}, which is bigger?"], "The {c} is larger."),
        ko=(["{a}과 {b} 중 어느 것이 더 큰가요?", "{a}하고 {b} 중에 뭐가 더 커?"], "{c}이 더 큽니다."),
        zh=(["{a}和{b}哪个更大？", "{a}与{b}，哪一个比较大？"], "{c}更大。")),
    "number": dict(
        en=(["What number is shown?", "Which number do you see?", "Read the number.", "What is the number in the picture?", "What number is written here?",
             "Please read the number in this image.", "What does the number say?", "Tell me the number."], "The number is {n}."),
        ko=(["어떤 숫자가 보이나요?", "숫자를 읽어 주세요.", "그림에 있는 숫자는 무엇인가요?"], "숫자는 {n}입니다."),
        zh=(["图中的数字是多少？", "请读出这个数字。", "显示的是什么数字？"], "数字是{n}。")),
    "exists": dict(
        en=(["Is there a {a}?", "Is there a {a} in the picture?", "Do you see a {a}?", "Does the image show a {a}?"], "{y}."),
        ko=(["{a}이 있나요?", "그림에 {a}이 보이나요?"], "{y}."),
        zh=(["有{a}吗？", "图中有没有{a}？"], "{y}。")),
    "describe": dict(
        en=(["Describe the picture.", "What is in the picture?", "What do you see?", "What shapes are there?", "List the shapes.", "Describe this image.",
             "What does the image show?"], "{l}."),
        ko=(["그림을 설명해 주세요.", "그림에 무엇이 있나요?", "무엇이 보이나요?"], "{l}이 있습니다."),
        zh=(["请描述这张图片。", "图中有什么？", "你看到了什么？"], "有{l}。")),
    "word": dict(
        en=(["What word is shown?", "Read the word.", "Which word do you see?", "What does the text say?", "What is written in the picture?", "Please read the text."],
            "The word is {n}."),
        ko=(["어떤 단어가 보이나요?", "글자를 읽어 주세요."], "단어는 {n}입니다."),
        zh=(["图中的单词是什么？", "请读出文字。"], "单词是{n}。")),
    "motion": dict(
        en=(["In which direction does the {s} move?", "Which way does the {s} move?", "Where does the {s} go: left, right, up or down?",
             "What is the direction of motion?", "Tell me which way the {s} is moving.", "How does the {s} move?"], "The {s} moves {w}."),
        ko=(["{s}은 어느 방향으로 움직이나요?", "{s}이 어디로 움직여?"], "{s}은 {w}으로 움직입니다."),
        zh=(["{s}往哪个方向移动？", "{s}向哪边动？"], "{s}向{w}移动。")),
    "change": dict(
        en=(["When does the {s} change colour?", "At what time does the {s} change its color?", "At which second does the colour of the {s} change?",
             "When does the colour change?", "Tell me when the {s} changes colour."], "At {t} seconds."),
        ko=(["{s}의 색이 언제 바뀌나요?", "색이 바뀌는 때는 몇 초인가요?"], "{t}초에 바뀝니다."),
        zh=(["{s}什么时候变颜色？", "颜色在第几秒改变？"], "在第{t}秒。")),
}

GREETINGS = ["Hello", "Hi", "Hello!", "Hi there!", "Good morning", "Good evening!", "Hey", "Hello there", "Hi, how are you?", "Hello, how are you?", "Hey!",
             "Good afternoon", "Greetings", "안녕하세요", "안녕", "안녕하세요!", "你好", "您好", "你好！", "早上好"]
GREETING = {"en": "Hello! Show me a picture of simple shapes or numbers, and ask me about it.", "ko": "안녕하세요! 도형이나 숫자 그림을 보여 주세요.",
            "zh": "你好！请给我看图形或数字的图片。"}
IDENTITY = ["Who are you?", "What are you?", "Hello, who are you?", "What is your name?", "Tell me about yourself.", "Introduce yourself.", "What can you do?",
            "What model are you?", "Are you an AI?", "Who am I talking to?", "Hi, who are you?", "What do you know?", "How can you help me?",
            "너는 누구야?", "누구세요?", "당신은 누구인가요?", "你是谁？", "你叫什么名字？", "你能做什么？"]
IDENTITY_ANSWER = {"en": "I am the small demo model of qwenvld. I know simple scenes of shapes and numbers.", "ko": "저는 qwenvld의 작은 데모 모델입니다.",
                   "zh": "我是qwenvld的小型演示模型。"}
UNKNOWN = {"en": "I only know simple scenes of shapes and numbers.", "ko": "저는 간단한 도형과 숫자만 압니다.", "zh": "我只认识简单的图形和数字。"}
NO_PICTURE = {"en": "I see no picture.", "ko": "그림이 보이지 않습니다.", "zh": "我没有看到图片。"}
UNKNOWN_ASK = ["What is the capital of {}?", "Write a poem about {}.", "Tell me a joke about {}.", "Explain {}.", "Who invented {}?", "What is {}?", "How does {} work?",
               "Translate {} into French.", "What do you think about {}?", "Give me a recipe with {}.", "When was {} born?", "How do I learn {}?", "Summarise the history of {}.",
               "Why is {} important?", "Can you help me with {}?", "Write code for {}.", "Where can I find {}?", "What is the best {}?", "Tell me about {}.",
               "{}이 뭐야?", "{}에 대해 설명해 주세요.", "{}是什么？", "请介绍一下{}。"]
TOPICS = ("France Japan Korea Germany Brazil Einstein Shakespeare Napoleon love music history physics chemistry football basketball chess gravity electricity money banking "
          "coffee tea chocolate bread rice soup pizza pasta Python Java sorting databases networks the_moon the_sun the_sea the_weather winter summer dogs cats elephants whales "
          "dinosaurs trees flowers medicine cancer vaccines the_heart the_brain dreams sleep happiness philosophy religion politics democracy war peace art painting Picasso Mozart "
          "opera cinema movies books novels poetry computers phones robots rockets airplanes cars trains bicycles volcanoes earthquakes rivers mountains London Paris Berlin Tokyo "
          "Seoul Beijing New_York taxes law contracts marriage school university exams homework teaching English Chinese time space black_holes atoms energy oil steel gold diamonds "
          "stocks bitcoin the_internet email passwords encryption yoga running swimming cooking gardening fishing").replace("_", " ")
TOPICS = [t for t in TOPICS.split()]
