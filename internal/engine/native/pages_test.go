package native

import "testing"

func TestPages(t *testing.T) {
	t.Parallel()
	var p Pages
	first, err := p.Grown(1000)
	if err != nil || len(first) != 1000 {
		t.Fatalf("%d floats, %v", len(first), err)
	}
	for i := range first {
		first[i] = float32(i)
	}
	kept, err := p.Grown(500)
	if err != nil || len(kept) != 500 || kept[499] != 499 {
		t.Fatalf("fewer: %d floats, the last %v, %v", len(kept), kept[len(kept)-1], err)
	}
	n := p.Len() + 1
	more, err := p.Grown(n)
	if err != nil || len(more) != n || p.Len() < n {
		t.Fatalf("more: %d floats of %d, %v", len(more), p.Len(), err)
	}
	for i, v := range more {
		if v != 0 {
			t.Fatalf("float %d is %v", i, v)
		}
	}
	more[n-1] = 1
	for range 2 { // what holds nothing can be released too
		if err := p.Release(); err != nil || p.Len() != 0 {
			t.Fatalf("%d floats after the release, %v", p.Len(), err)
		}
	}
	if again, err := p.Grown(1); err != nil || again[0] != 0 {
		t.Fatalf("after the release: %v, %v", again, err)
	}
}
