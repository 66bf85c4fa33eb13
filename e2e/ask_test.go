package e2e

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// TestAskFindsTheDaemonOrStartsOne asks without an address: one daemon runs on this machine, then none.
func TestAskFindsTheDaemonOrStartsOne(t *testing.T) {
	question := []string{"ask", "--image", "../examples/sum.png", "What is the sum of the numbers?"}
	const nobody = "no daemon runs"
	d := serve(t)
	tmp := ""
	for _, v := range d.cmd.Env {
		if dir, ok := strings.CutPrefix(v, "TMPDIR="); ok {
			tmp = dir
		}
	}
	out, errs, code := commandIn(t, []string{"TMPDIR=" + tmp}, "", question...)
	if code != 0 || out != "The sum is 132.\n" || strings.Contains(errs, nobody) || !strings.Contains(errs, "qwen3-vl-thinking") ||
		!strings.Contains(errs, "52 + 29 = 81") {
		t.Errorf("code %d, %q and\n%s", code, out, errs)
	}
	if !strings.Contains(d.logs(), "/v1/chat/completions") {
		t.Error("another daemon was asked")
	}

	own := t.TempDir()
	config := write(t, own, "c.yaml", "router: {quality: 0}\n")
	out, errs, code = commandIn(t, []string{"TMPDIR=" + own}, "", append(question, "--config", config)...)
	if code != 0 || !strings.HasPrefix(out, "The sum is") || !strings.Contains(errs, nobody) || !strings.Contains(errs, "qwen3-vl-instruct") {
		t.Errorf("code %d, %q and\n%s", code, out, errs)
	}
	left, err := filepath.Glob(filepath.Join(own, "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("it left %v, %v", left, err)
	}
	out, errs, code = commandIn(t, []string{"TMPDIR=" + own}, "", append(question, "--config", write(t, own, "d.yaml", "models: [{id: m, instruct: {model: none.gguf}}]"))...)
	if code != 1 || out != "" || strings.Count(errs, "none.gguf") != 1 {
		t.Errorf("code %d, %q and\n%s", code, out, errs)
	}
}

func TestAskShowsVideosAndGivesTheWholeReply(t *testing.T) {
	d := serve(t)
	out, errs, code := command(t, "", "ask", "--url", d.url, "--json", "--no-think", "--video", "../examples/video.mp4", "Where does the star go: left, right, up or down?")
	var reply struct {
		Model   string
		Choices []struct{ Message struct{ Content string } }
		Usage   struct {
			Details struct {
				Video int `json:"video_tokens"`
			} `json:"prompt_tokens_details"`
		}
	}
	if err := json.Unmarshal([]byte(out), &reply); err != nil || code != 0 || errs != "" {
		t.Fatalf("code %d, %v: %s%s", code, err, out, errs)
	}
	if reply.Usage.Details.Video == 0 || reply.Model != "qwen3-vl-instruct" || !strings.Contains(reply.Choices[0].Message.Content, "right") {
		t.Errorf("%s", out)
	}
}
