package hub

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPresetsAreBothVariantsOfQwensOwnConversions(t *testing.T) {
	for tag, name := range map[string]string{
		"2b": "2B", "4b": "4B", "8b": "8B", "32b": "32B", "30b-a3b": "30B-A3B", "235b-a22b": "235B-A22B",
	} {
		r, err := Parse("qwen3-vl:" + tag)
		if err != nil {
			t.Fatal(err)
		}
		want := []Source{
			{HuggingFace, "Qwen/Qwen3-VL-" + name + "-Instruct-GGUF", "main", "Q4_K_M", Instruct},
			{HuggingFace, "Qwen/Qwen3-VL-" + name + "-Thinking-GGUF", "main", "Q4_K_M", Thinking},
		}
		if diff := cmp.Diff(want, r.Sources); diff != "" {
			t.Error(diff)
		}
		if preset, variant := PresetOf(want[1].Repo); preset != "qwen3-vl:"+tag || variant != Thinking {
			t.Errorf("%s is of %q, %q", want[1].Repo, preset, variant)
		}
	}
}

func TestReferences(t *testing.T) {
	for text, want := range map[string][]Source{
		"qwen3-vl:8b-thinking@q8_0":                  {{HuggingFace, "Qwen/Qwen3-VL-8B-Thinking-GGUF", "main", "Q8_0", Thinking}},
		"hf.co/unsloth/Qwen3-VL-2B-Instruct-GGUF":    {{HuggingFace, "unsloth/Qwen3-VL-2B-Instruct-GGUF", "main", "", Instruct}},
		"https://huggingface.co/a/b@v1.0:ud-q4_k_xl": {{HuggingFace, "a/b", "v1.0", "UD-Q4_K_XL", ""}},
		"hf.co/a/b@refs/pr/7":                        {{HuggingFace, "a/b", "refs/pr/7", "", ""}},
		"modelscope.cn/models/a/b-Thinking:F16":      {{ModelScope, "a/b-Thinking", "master", "F16", Thinking}},
		"./models/":                                  {{Folder, "models", "", "", ""}},
		"/srv/a:b/models:q8_0":                       {{Folder, "/srv/a:b/models", "", "Q8_0", ""}},
		"../with:colon":                              {{Folder, "../with:colon", "", "", ""}},
	} {
		r, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, r.Sources); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestFaultyReferencesSayWhatWouldDo(t *testing.T) {
	for text, want := range map[string]string{
		"qwen3-vl":                "there are 2b, 4b",
		"qwen3-vl:9b":             `no size "9b"`,
		"qwen3-vl:8b@huge":        "no quantisation",
		"Qwen/Qwen3-VL":           "hf.co/ORGANISATION/REPOSITORY",
		"":                        "names no model",
		"hf.co/only":              "ORGANISATION/REPOSITORY",
		"hf.co/../etc":            "ORGANISATION/REPOSITORY",
		"hf.co/a/..":              "ORGANISATION/REPOSITORY",
		"hf.co/a--b/c":            "ORGANISATION/REPOSITORY",
		"hf.co/a/b@../../x":       "no revision",
		"hf.co/a/b@x/..":          "no revision",
		"hf.co/a/b@":              "no revision",
		"hf.co/a/b:":              "no quantisation",
		"ollama.com/library/x:8b": "qwenvld pull qwen3-vl:8b",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want it to say %s", text, err, want)
		}
	}
}

// listed makes files of 10 bytes each.
func listed(names ...string) []File {
	var out []File
	for i, n := range names {
		out = append(out, File{Path: n, Size: int64(10 + i)})
	}
	return out
}

func describe(choices []Choice) string {
	var b strings.Builder
	for _, c := range choices {
		fmt.Fprintf(&b, "%s %s", c.Variant, c.Quant)
		for _, f := range c.Model {
			b.WriteString(" " + f.Path)
		}
		if c.Projector != nil {
			b.WriteString(" + " + c.Projector.Path)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestFilesAreChosenByNames(t *testing.T) {
	qwen := listed("README.md", "Qwen3VL-2B-Instruct-F16.gguf", "Qwen3VL-2B-Instruct-Q4_K_M.gguf", "Qwen3VL-2B-Instruct-Q8_0.gguf",
		"mmproj-Qwen3VL-2B-Instruct-F16.gguf", "mmproj-Qwen3VL-2B-Instruct-Q8_0.gguf")
	split := listed("UD-Q4_K_XL/M-UD-Q4_K_XL-00002-of-00002.gguf", "UD-Q4_K_XL/M-UD-Q4_K_XL-00001-of-00002.gguf",
		"Q8_0/M-Q8_0-split-00001-of-00001.gguf", "mmproj-BF16.gguf", "mmproj-F32.gguf")
	pair := listed("a-Instruct-Q4_0.gguf", "a-Thinking-Q4_0.gguf", "mmproj-a-Instruct.gguf", "mmproj-a-Thinking.gguf")
	for _, c := range []struct {
		name    string
		files   []File
		variant Variant
		quant   string
		want    string
	}{
		{"the best compromise", qwen, Instruct, "", "instruct Q4_K_M Qwen3VL-2B-Instruct-Q4_K_M.gguf + mmproj-Qwen3VL-2B-Instruct-F16.gguf\n"},
		{"as asked", qwen, Instruct, "Q8_0", "instruct Q8_0 Qwen3VL-2B-Instruct-Q8_0.gguf + mmproj-Qwen3VL-2B-Instruct-F16.gguf\n"},
		{"parts in order", split, Thinking, "", "thinking UD-Q4_K_XL UD-Q4_K_XL/M-UD-Q4_K_XL-00001-of-00002.gguf " +
			"UD-Q4_K_XL/M-UD-Q4_K_XL-00002-of-00002.gguf + mmproj-BF16.gguf\n"},
		{"one part", split, "", "Q8_0", "instruct Q8_0 Q8_0/M-Q8_0-split-00001-of-00001.gguf + mmproj-BF16.gguf\n"},
		{"both variants of a folder", pair, "", "", "instruct Q4_0 a-Instruct-Q4_0.gguf + mmproj-a-Instruct.gguf\n" +
			"thinking Q4_0 a-Thinking-Q4_0.gguf + mmproj-a-Thinking.gguf\n"},
		{
			"a projector for both", listed("instruct.gguf", "thinking.gguf", "projector.gguf"), "", "",
			"instruct  instruct.gguf + projector.gguf\nthinking  thinking.gguf + projector.gguf\n",
		},
		{"the quantisation as a folder", listed("Q5_K_M/model.gguf"), "", "Q5_K_M", "instruct Q5_K_M Q5_K_M/model.gguf\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Choose(c.files, c.variant, c.quant)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, describe(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, c := range []struct {
		name  string
		files []File
		quant string
		want  string
	}{
		{"no model", listed("model.safetensors", "mmproj-F16.gguf"), "", "no model in the GGUF format"},
		{"not there", qwen, "Q2_K", "there are F16, Q4_K_M, Q8_0"},
		{"a part is missing", split[:1], "", "1 of 2 parts"},
		{"two of a kind", listed("a-Q4_0.gguf", "b-Q4_0.gguf"), "", "several models"},
		{"parts that cannot be", listed("a-Q4_0-00000-of-00002.gguf"), "", "no model in the GGUF format"},
	} {
		if got, err := Choose(c.files, "", c.quant); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"qwen3-vl:8b@q8_0", "hf.co/a/b@main:Q4_0", "https://modelscope.cn/models/a/b", "./x:q8_0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text)
		for _, s := range r.Sources {
			if s.Host == Folder {
				continue
			}
			for _, part := range append(strings.Split(s.Revision, "/"), strings.Split(s.Repo, "/")...) {
				if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "\\:@?#%\x00") {
					t.Fatalf("%q: %+v, %v", text, s, err)
				}
			}
			again, err := Parse(s.String())
			if err != nil || again.Sources[0].Repo != s.Repo || again.Sources[0].Revision != s.Revision {
				t.Fatalf("%q is written %q, which is %+v, %v", text, s, again.Sources, err)
			}
		}
	})
}

func FuzzChoose(f *testing.F) {
	f.Add("a-Q4_0-00001-of-00002.gguf\na-Q4_0-00002-of-00002.gguf\nmmproj-F16.gguf", "Q4_0")
	f.Add("Q8_0/x.gguf", "")
	f.Fuzz(func(t *testing.T, names, quant string) {
		files := listed(strings.Split(names, "\n")...)
		choices, err := Choose(files, "", quant)
		if (err == nil) != (len(choices) > 0) {
			t.Fatalf("%v, %v", choices, err)
		}
		for _, c := range choices {
			for _, chosen := range c.Files() {
				if chosen.Size == 0 || !strings.HasSuffix(chosen.Path, ".gguf") {
					t.Fatalf("%+v is none of the files", chosen)
				}
			}
		}
	})
}
