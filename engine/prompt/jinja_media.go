package prompt

import (
	"slices"
	"strconv"
	"strings"
)

// mediaOrder lists which images and videos a template shows, in the order of its marks.
type mediaOrder struct{ images, videos []int }

// next takes the first of a list; -1 stands for a mark that nothing belongs to.
func next(list *[]int) int {
	if len(*list) == 0 {
		return -1
	}
	first := (*list)[0]
	*list = (*list)[1:]
	return first
}

// label encloses the name of a part in a trial rendering. Like the fence it is a noncharacter.
const label = '\uFDD1'

// mediaOrder finds which part each mark stands for. All marks of a template look alike, and a template may show messages in an order
// of its own, so the conversation is rendered once more with a name before each part. A template that does not show the names gets
// the conversation's order. The caller holds the lock.
func (r *jinjaRenderer) mediaOrder(c *Conversation) *mediaOrder {
	var parts []Part
	trial := *c
	trial.Messages = slices.Clone(c.Messages)
	for i := range trial.Messages {
		m := &trial.Messages[i]
		var named []Part
		for _, p := range m.Content.Parts {
			if p.Kind != PartText {
				named = append(named, Part{Kind: PartText, Text: partName(len(parts))})
				parts = append(parts, p)
			}
			named = append(named, p)
		}
		if m.Content.Parts != nil {
			m.Content = ListContent(named...)
		}
	}
	if len(parts) > 1 {
		if text, err := r.execute(&trial); err == nil {
			sortByName(parts, text)
		}
	}
	var out mediaOrder
	for _, p := range parts {
		if p.Kind == PartImage {
			out.images = append(out.images, p.Media)
		} else {
			out.videos = append(out.videos, p.Media)
		}
	}
	return &out
}

func partName(i int) string { return string(label) + strconv.Itoa(i) + string(label) }

// sortByName puts parts in the order in which text names them, if it names each of them once.
func sortByName(parts []Part, text string) {
	type place struct{ part, at int }
	places := make([]place, len(parts))
	for i := range parts {
		if strings.Count(text, partName(i)) != 1 {
			return
		}
		places[i] = place{i, strings.Index(text, partName(i))}
	}
	slices.SortFunc(places, func(a, b place) int { return a.at - b.at })
	given := slices.Clone(parts)
	for i, p := range places {
		parts[i] = given[p.part]
	}
}
