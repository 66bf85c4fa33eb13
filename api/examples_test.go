package api

import (
	"net/http"
	"testing"

	"github.com/qwenvld/qwenvld/internal/contract"
)

func TestEveryOperationShowsWhatItTakesAndWhatItGives(t *testing.T) {
	c := apiContract(t)
	for _, o := range c.Operations {
		if len(o.Tags) != 1 {
			t.Errorf("%s stands in %d sections", o.Name(), len(o.Tags))
		}
		for kind, media := range o.Request {
			checkExamples(t, c, o.Name()+", request", o.Path, kind, media)
		}
		shown := 0
		for status, response := range o.Responses {
			for kind, media := range response.Content {
				checkExamples(t, c, o.Name()+", "+status, o.Path, kind, media)
				shown++
			}
		}
		if shown == 0 {
			t.Errorf("%s shows no response", o.Name())
		}
	}
}

// checkExamples wants examples of a body, each of them as its schema says.
func checkExamples(t *testing.T, c *checker, name, path, kind string, media contract.Media) {
	t.Helper()
	if len(media.Examples) == 0 {
		t.Errorf("%s: %s has no example", name, kind)
		return
	}
	for key, example := range media.Examples {
		switch {
		case example.Summary == "":
			t.Errorf("%s: example %s has no summary", name, key)
		case kind == "application/json":
			if err := c.CheckAt(media.Schema, []byte(example.Body)); err != nil {
				t.Errorf("%s: example %s does not fit: %v\n%s", name, key, err, example.Body)
			}
		case kind == "text/event-stream":
			c.events(t, path, []byte(example.Body))
		case kind == "application/x-ndjson":
			c.lines(t, []byte(example.Body))
		}
	}
}

func TestTheServerTakesEveryRequestThatIsShown(t *testing.T) {
	s := newSite(t, nil)
	asked := 0
	for _, o := range s.check.Operations {
		for _, media := range o.Request {
			for key, example := range media.Examples {
				asked++
				if got := s.post(o.Path, example.Body); got.status != http.StatusOK {
					t.Errorf("%s, %s: status %d: %s", o.Name(), key, got.status, got.body)
				}
			}
		}
	}
	if asked < 15 {
		t.Errorf("%d requests are shown", asked)
	}
}

func TestEverySectionIsIntroduced(t *testing.T) {
	c := apiContract(t)
	for name, description := range c.Tags {
		if len(description) < 60 {
			t.Errorf("section %s: %q", name, description)
		}
	}
	for _, o := range c.Operations {
		for _, tag := range o.Tags {
			if _, introduced := c.Tags[tag]; !introduced {
				t.Errorf("%s stands in the section %s, which is not introduced", o.Name(), tag)
			}
		}
	}
}
