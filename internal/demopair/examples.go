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

// Command is the curl command that asks the example from the project's folder; post is its beginning, up to the
// headers.
func (e *Example) Command(post string) string { return post + " -d @examples/" + e.Skill + ".json" }

// Tour is a command for each example, with what it asks.
func Tour(post string) (string, error) {
	examples, err := Examples()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("The built-in pair knows simple drawn scenes of shapes and numbers; it is a demonstration, not an assistant.\n" +
		"From the project's folder:\n")
	for i := range examples {
		e := &examples[i]
		picture := ""
		switch {
		case e.Picture:
			picture = fmt.Sprintf(" about examples/%s.png", e.Skill)
		case e.Video:
			picture = fmt.Sprintf(" about examples/%s.mp4", e.Skill)
		}
		fmt.Fprintf(&b, "\n# %s: %q%s\n%s\n", e.Title, e.Ask, picture, e.Command(post))
	}
	return b.String(), nil
}
