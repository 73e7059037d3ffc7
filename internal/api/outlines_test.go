package api

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/scout-speech/scout/internal/audio/outline"
)

// Whoever goes away does not take the work of the others along, and nobody works for nobody.
func TestAnOutlineForSeveral(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l outlines
		begun, finish := 0, make(chan struct{})
		compute := func(ctx context.Context) (*outline.Outline, error) {
			begun++
			select {
			case <-finish:
				return outline.New(16000, 1), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		type result struct {
			o   *outline.Outline
			err error
		}
		ask := func() (cancel context.CancelFunc, got chan result) {
			ctx, cancel := context.WithCancel(t.Context())
			got = make(chan result, 1)
			go func() {
				o, err := l.do(ctx, "a", compute)
				got <- result{o, err}
			}()
			synctest.Wait()
			return cancel, got
		}
		leaves, left := ask()
		_, stays := ask()
		leaves()
		if r := <-left; !errors.Is(r.err, context.Canceled) {
			t.Errorf("who went away got %v", r)
		}
		close(finish)
		if r := <-stays; r.err != nil || r.o == nil || begun != 1 {
			t.Errorf("who stayed got %v; %d were computed", r, begun)
		}
		finish = make(chan struct{})
		one, first := ask()
		two, second := ask()
		one()
		two()
		for _, got := range []chan result{first, second} {
			if r := <-got; !errors.Is(r.err, context.Canceled) {
				t.Errorf("it went on for nobody: %v", r)
			}
		}
		if len(l.all) != 0 || begun != 2 {
			t.Errorf("%d are left; %d were computed", len(l.all), begun)
		}
		close(finish)
		if _, again := ask(); (<-again).err != nil || begun != 3 {
			t.Errorf("after that: %d were computed", begun)
		}
	})
}
