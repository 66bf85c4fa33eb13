package tokenizer

import (
	"container/heap"
	"context"
	"math"
	"slices"
)

// maxShort is up to which length a word is merged whole and remembered.
const maxShort = 48

// appendShort appends the tokens of a word of at most maxShort bytes.
func (t *Tokenizer) appendShort(out []int32, word string) []int32 {
	var ids, ranks [maxShort]int32
	return append(out, ids[:t.mergeLowest(ids[:], ranks[:], word)]...)
}

// mergeLowest merges a word by looking for the lowest rank over and over, which is quickest while the word is short. It
// leaves the tokens in ids, which like ranks must have room for the word's bytes, and returns their number.
func (t *Tokenizer) mergeLowest(ids, ranks []int32, word string) int {
	n := len(word)
	ids, ranks = ids[:n], ranks[:n] // ranks[i] is that of the pair (i, i+1), MaxInt32 if it is never merged
	for i := range n {
		ids[i] = t.single[word[i]]
	}
	rank := func(i int) int32 {
		if m := t.merges.find(pairOf(ids[i], ids[i+1])); m.rank >= 0 {
			return m.rank
		}
		return math.MaxInt32
	}
	for i := range n - 1 {
		ranks[i] = math.MaxInt32
		if m := t.first[word[i]][word[i+1]]; m.rank >= 0 {
			ranks[i] = m.rank
		}
	}
	for n > 1 {
		at, lowest := 0, ranks[0]
		for i, r := range ranks[:n-1] {
			if r < lowest {
				at, lowest = i, r
			}
		}
		if lowest == math.MaxInt32 {
			break
		}
		ids[at] = t.merges.find(pairOf(ids[at], ids[at+1])).id
		copy(ids[at+1:n-1], ids[at+2:n])
		copy(ranks[at:n-2], ranks[at+1:n-1])
		n--
		if at > 0 {
			ranks[at-1] = rank(at - 1)
		}
		if at < n-1 {
			ranks[at] = rank(at)
		}
	}
	return n
}

// longWord merges a word of any length. Pairs wait in a queue for each rank, and of the lowest rank the leftmost is
// merged first, which gives what appendShort gives in a time that hardly grows faster than the word.
type longWord struct {
	t      *Tokenizer
	ids    []int32 // of the symbol that begins at this byte; negative if none does
	next   []int32 // where the symbol after it begins
	prev   []int32
	queues map[int32]*pairQueue // by rank
	ranks  rankHeap             // of queues that are not empty

	recent     *pairQueue // the queue used last, since neighbours are often alike
	recentRank int32
}

// pairQueue holds the places of pairs of one rank. Those before done have been looked at.
type pairQueue struct {
	at     []int32
	done   int
	sorted bool
	queued bool
}

// rankHeap is a heap of numbers with the smallest on top, for container/heap.
type rankHeap []int32

func (h rankHeap) Len() int           { return len(h) }
func (h rankHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h rankHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *rankHeap) Push(x any)        { *h = append(*h, x.(int32)) }
func (h *rankHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

func (t *Tokenizer) appendLong(ctx context.Context, out []int32, word string) ([]int32, error) {
	n := len(word)
	links := make([]int32, 3*n)
	w := &longWord{t: t, ids: links[:n], next: links[n : 2*n], prev: links[2*n:], queues: map[int32]*pairQueue{}, recentRank: -1}
	for i := range n {
		w.ids[i] = t.single[word[i]]
		w.next[i], w.prev[i] = int32(i+1), int32(i-1)
	}
	for i := range n - 1 {
		if m := t.first[word[i]][word[i+1]]; m.rank >= 0 {
			w.enqueue(m.rank, int32(i))
		}
	}
	if err := w.merge(ctx); err != nil {
		return out, err
	}
	for i := int32(0); int(i) < n; i = w.next[i] {
		out = append(out, w.ids[i])
	}
	return out, nil
}

// enqueue puts the pair at a place into the queue of its rank.
func (w *longWord) enqueue(rank, at int32) {
	if rank != w.recentRank {
		l := w.queues[rank]
		if l == nil {
			l = &pairQueue{sorted: true}
			w.queues[rank] = l
		}
		w.recent, w.recentRank = l, rank
	}
	l := w.recent
	if len(l.at) > l.done && at < l.at[len(l.at)-1] {
		l.sorted = false
	}
	l.at = append(l.at, at)
	if !l.queued {
		l.queued = true
		heap.Push(&w.ranks, rank)
	}
}

// pairAt is the merge of the symbol at a place with the next one.
func (w *longWord) pairAt(at int32) merge {
	next := w.next[at]
	if w.ids[at] < 0 || int(next) == len(w.ids) {
		return noMerge
	}
	return w.t.merges.find(pairOf(w.ids[at], w.ids[next]))
}

func (w *longWord) merge(ctx context.Context) error {
	for steps := 0; len(w.ranks) > 0; {
		rank := w.ranks[0]
		l := w.queues[rank]
		for l.done < len(l.at) && w.ranks[0] == rank {
			if steps++; steps%checkEvery == 0 && ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if !l.sorted {
				slices.Sort(l.at[l.done:])
				l.sorted = true
			}
			at := l.at[l.done]
			l.done++
			if m := w.pairAt(at); m.rank == rank {
				w.join(at, m.id)
			}
		}
		if l.done < len(l.at) {
			continue // a pair of a lower rank came up, which goes first
		}
		l.at, l.done, l.queued = l.at[:0], 0, false
		w.drop(rank)
	}
	return nil
}

// drop takes a rank off the heap, at whose top it need not stand: the last merge may have put a lower one there.
func (w *longWord) drop(rank int32) {
	heap.Remove(&w.ranks, slices.Index(w.ranks, rank))
}

// join makes one symbol of the two at a place.
func (w *longWord) join(at, id int32) {
	absorbed := w.next[at]
	w.ids[at] = id
	w.ids[absorbed] = -1
	w.next[at] = w.next[absorbed]
	if after := w.next[absorbed]; int(after) < len(w.ids) {
		w.prev[after] = at
	}
	if before := w.prev[at]; before >= 0 {
		if m := w.pairAt(before); m.rank >= 0 {
			w.enqueue(m.rank, before)
		}
	}
	if m := w.pairAt(at); m.rank >= 0 {
		w.enqueue(m.rank, at)
	}
}
