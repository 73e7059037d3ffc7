//go:build unix

package freespace

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/scout-speech/scout"
)

// disk is one of a given size that counts what is written.
type disk struct{ free atomic.Int64 }

func (d *disk) budget(reserve int64) *Budget {
	b := NewBudget("", func() int64 { return reserve })
	b.free = func(string) (int64, error) { return d.free.Load(), nil }
	return b
}

// write asks for room for each block and writes it.
func (d *disk) write(g *Grant, block, total int64) error {
	for left := total; left > 0; left -= block {
		if err := g.Room(min(block, left), left); err != nil {
			return err
		}
		d.free.Add(-min(block, left))
		g.Wrote(min(block, left))
	}
	return nil
}

// Two hundred writers at once leave the reserve, however they are interleaved, and use up what is above it.
func TestWritersLeaveTheReserve(t *testing.T) {
	t.Parallel()
	const reserve, block = 115 << 20, 32 << 10
	d := new(disk)
	d.free.Store(300 << 20)
	b := d.budget(reserve)
	var refused atomic.Int64
	var wait sync.WaitGroup
	for range 200 {
		wait.Go(func() {
			g := b.New()
			defer g.Close()
			switch err := d.write(g, block, 10<<20); scout.CodeOf(err) {
			case scout.CodeDiskLow:
				refused.Add(1)
			default:
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if left := d.free.Load(); left < reserve {
		t.Errorf("%d bytes are left, want at least %d", left, reserve)
	}
	if refused.Load() == 0 {
		t.Error("everybody had room on a disk that is too small")
	}
	if b.outstanding != 0 {
		t.Errorf("%d bytes are promised to nobody", b.outstanding)
	}
	if err := d.write(b.New(), block, d.free.Load()-reserve); err != nil {
		t.Errorf("what is above the reserve cannot be used: %v", err)
	}
}

func TestAGrantIsNoLargerThanWhatIsWanted(t *testing.T) {
	t.Parallel()
	d := new(disk)
	d.free.Store(1 << 40)
	b := d.budget(0)
	g := b.New()
	if err := g.Room(10, 100); err != nil || b.outstanding != 100 {
		t.Errorf("%d bytes were promised, want 100; %v", b.outstanding, err)
	}
	if err := g.Room(10, 1<<40); err != nil || b.outstanding != 100 {
		t.Errorf("%d bytes were promised, want 100; %v", b.outstanding, err)
	}
	g.Wrote(100)
	if err := g.Room(10, 1<<40); err != nil || b.outstanding != Step {
		t.Errorf("%d bytes were promised, want a step; %v", b.outstanding, err)
	}
	g.Close()
	if b.outstanding != 0 {
		t.Errorf("%d bytes are promised to nobody", b.outstanding)
	}
}

// Who is refused hears how much there is, and what to do.
func TestWhatThereIsIsTold(t *testing.T) {
	t.Parallel()
	for reserve, kept := range map[int64]bool{300 << 20: true, 0: false} {
		d := new(disk)
		d.free.Store(400 << 20)
		b := d.budget(reserve)
		if err := b.New().Room(40<<20, 40<<20); err != nil {
			t.Fatal(err)
		}
		err := b.New().Room(500<<20-1, 500<<20)
		want := fmt.Sprintf("no room for 500 MB: 400 MB are free, 40 MB of them are promised to others and %d MB kept for recordings", reserve>>20)
		hint := scout.HintOf(err)
		if scout.CodeOf(err) != scout.CodeDiskLow || scout.Plain(err) != want || !strings.HasPrefix(hint, fmt.Sprintf("free %d MB on the disk", 140+reserve>>20)) || strings.Contains(hint, "record.rate") != kept {
			t.Errorf("%v (%s)", err, hint)
		}
	}
}
