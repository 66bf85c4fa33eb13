package compute

import (
	"slices"
	"testing"
)

func TestThinkBlocksGoThroughTheirStates(t *testing.T) {
	closing := []int32{7, 8}
	open := newThinkBlock(true)
	cut, byModel, empty, again := open, open, open, open
	cut.close(closedByBudget, closing)
	byModel.tagSeen()
	empty.close(closedByEnd, nil)
	again.close(closedByLoop, closing)
	again.tagSeen()
	for name, c := range map[string]struct {
		block    thinkBlock
		state    blockState
		inside   bool
		forced   []int32
		closedBy string
		endBan   bool
	}{
		"no block":                    {newThinkBlock(false), blockAbsent, false, nil, "", false},
		"the model thinks":            {open, blockOpen, true, nil, "", false},
		"cut short":                   {cut, blockClosing, true, closing, closedByBudget, true},
		"closed by the model":         {byModel, blockClosed, false, nil, closedByModel, false},
		"cut without a text":          {empty, blockClosed, false, nil, closedByEnd, true},
		"the tag of a forced closing": {again, blockClosed, false, closing, closedByLoop, true},
	} {
		b := c.block
		if b.state != c.state || b.inside() != c.inside || b.forcing() != (len(c.forced) > 0) || b.closedBy != c.closedBy {
			t.Errorf("%s: %+v", name, b)
		}
		var forced []int32
		for b.forcing() {
			forced = append(forced, b.next())
		}
		if !slices.Equal(forced, c.forced) {
			t.Errorf("%s: %v are forced", name, forced)
		}
		if first, second := b.banEndOnce(), b.banEndOnce(); first != c.endBan || second {
			t.Errorf("%s: the end is banned %v, then %v", name, first, second)
		}
	}
	if !slices.Equal(closing, []int32{7, 8}) {
		t.Error("the closing text of the request was changed")
	}
}
