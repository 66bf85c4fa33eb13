package train

// rule is one reason to think or not to. Phrases in Latin script match whole words, others anywhere.
type rule struct {
	name    string
	weight  float64 // added to the log-odds once, however often the rule matches
	phrases []string
}

// phraseRules are written for lower-case NFKC text.
func phraseRules() []rule {
	return []rule{
		{"asks for step by step", 4, []string{
			"step by step", "step-by-step", "think carefully", "think hard", "think it through", "reason through",
			"show your work", "show your reasoning", "explain your reasoning", "一步一步", "一步步", "逐步", "仔细思考",
			"详细推理", "단계별", "차근차근", "자세히 추론", "ステップごと", "段階的に", "順を追って", "よく考えて",
		}},
		{"asks for a quick answer", -4, []string{
			"quick answer", "answer briefly", "one word", "one sentence", "in a few words", "just the answer",
			"briefly", "一句话", "简单说", "简短", "간단히", "짧게", "한 문장", "一言で", "簡潔に", "手短に",
		}},
		{"proof", 3, []string{
			"prove", "proof", "show that", "disprove", "theorem", "lemma", "by induction", "contradiction",
			"证明", "求证", "定理", "증명", "정리를", "証明",
		}},
		{"maths", 2.2, []string{
			"solve", "equation", "integral", "derivative", "probability", "how many ways", "calculate", "compute",
			"evaluate the", "triangle", "polynomial", "matrix", "prime", "perimeter", "area of", "volume of", "angle",
			"remainder", "percent", "ratio", "average speed", "geometry",
			"解方程", "方程", "计算", "概率", "积分", "导数", "三角形", "面积", "体积", "多少种", "求解", "函数", "几何",
			"방정식", "계산", "확률", "적분", "미분", "삼각형", "넓이", "부피", "함수", "몇 가지", "구하시오", "구하여라",
			"方程式", "確率", "積分", "微分", "面積", "体積", "関数", "求めよ", "求めなさい", "何通り",
		}},
		{"logic", 2, []string{
			"puzzle", "riddle", "sudoku", "checkmate", "best move", "deduce", "infer", "logically", "truth-teller",
			"liar", "which of the following", "next in the sequence", "pattern", "推理", "逻辑", "谜题", "规律",
			"추론", "논리", "수수께끼", "규칙", "論理", "なぞなぞ", "規則性",
		}},
		{"code", 1.6, []string{
			"debug", "algorithm", "time complexity", "stack trace", "traceback", "refactor", "unit test", "leetcode",
			"write a function", "write a program", "implement a", "sql query", "regex", "算法", "代码", "编程", "函数实现",
			"알고리즘", "코드", "프로그램을", "アルゴリズム", "コード", "プログラムを",
		}},
		{"compares", 1.4, []string{
			"compare", "difference between", "differences between", "trade-off", "pros and cons", "versus", "which is better",
			"比较", "对比", "区别", "不同之处", "비교", "차이", "比較", "違い",
		}},
		{"explains why", 0.8, []string{
			"why does", "why is", "why do", "explain why", "explain how", "what would happen", "analyze", "analyse",
			"为什么", "分析", "解释", "왜", "분석", "설명해", "なぜ", "分析して",
		}},
		{"reads text", -2.4, []string{
			"ocr", "transcribe", "read the text", "extract the text", "what does it say", "what does the sign say",
			"识别文字", "文字识别", "提取文字", "写了什么", "读出", "텍스트를 읽", "글자를 읽", "뭐라고 적", "뭐라고 쓰",
			"文字を読", "書き起こ", "何と書", "テキストを抽出",
		}},
		{"describes", -2, []string{
			"describe", "caption", "what is this", "what's this", "what is in", "what's in", "what do you see",
			"what animal", "what color", "what colour", "identify the", "where is", "locate", "bounding box",
			"描述", "这是什么", "图里有什么", "图中有什么", "什么颜色", "설명하", "묘사", "이게 뭐", "무엇이 보이", "무슨 색",
			"説明して", "これは何", "何が写", "何が見え", "何色",
		}},
		{"greets", -3, []string{
			"hello", "hi", "hey", "thanks", "thank you", "good morning", "good evening", "how are you", "goodbye",
			"你好", "您好", "谢谢", "早上好", "안녕", "감사합니다", "고마워", "こんにちは", "ありがとう", "おはよう",
		}},
		{"translates or rewrites", -1.6, []string{
			"translate", "rephrase", "summarize", "summarise", "fix the grammar", "翻译", "总结", "改写",
			"번역", "요약", "翻訳", "要約",
		}},
	}
}
