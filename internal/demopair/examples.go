package demopair

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
)

//go:embed examples.json
var examplesJSON []byte

// Example is a request in the project's examples folder that the pair answers rightly.
type Example struct {
	Skill   string `json:"skill"` // names examples/<skill>.json, a request body, and examples/<skill>.png where it has a picture
	Title   string `json:"title"`
	Ask     string `json:"ask"`
	Answer  string `json:"answer"`
	Picture bool   `json:"picture"`
	Video   bool   `json:"video,omitempty"` // examples/<skill>.mp4 is what is asked about
}

// Examples lists what there is to try, one for each skill.
func Examples() ([]Example, error) {
	var out []Example
	if err := json.Unmarshal(examplesJSON, &out); err != nil {
		return nil, fmt.Errorf("built-in examples: %w", err)
	}
	return out, nil
}

// Command is the curl command that asks the example of the daemon at base ("http://127.0.0.1:8080"), from the project's folder.
func (e *Example) Command(base string) string {
	return fmt.Sprintf("curl -s %s/v1/chat/completions -H 'Content-Type: application/json' -d @examples/%s.json", base, e.Skill)
}

// Greeting tells a newcomer what to try.
func Greeting(base string) (string, error) {
	examples, err := Examples()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("\nThe built-in pair knows simple drawn scenes of shapes and numbers; it is a demonstration, not an assistant.\n" +
		"From the project's folder, in another terminal:\n")
	for i := range examples {
		e := &examples[i]
		picture := ""
		switch {
		case e.Picture:
			picture = fmt.Sprintf(" about examples/%s.png", e.Skill)
		case e.Video:
			picture = fmt.Sprintf(" about examples/%s.mp4", e.Skill)
		}
		fmt.Fprintf(&b, "\n# %s: %q%s\n%s\n", e.Title, e.Ask, picture, e.Command(base))
	}
	return b.String(), nil
}
