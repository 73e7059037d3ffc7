//go:build unix

package freespace

import (
	"sync"

	"github.com/scout-speech/scout"
)

// Step is how much room is asked for at once, so that the file system is not asked for every block.
const Step = 64 << 20

// Budget shares the room of a file system among those who write into it, and keeps a part of it free for the recorder. What was granted
// and not written yet counts as taken: a thousand writers that ask at the same moment get no more together than there is.
type Budget struct {
	dir     string
	free    func(dir string) (int64, error)
	reserve func() int64

	mu          sync.Mutex
	outstanding int64 // granted, and not written yet
}

// NewBudget returns a budget over the file system of dir. reserve is what must stay free, asked for anew each time.
func NewBudget(dir string, reserve func() int64) *Budget {
	return &Budget{dir: dir, free: Of, reserve: reserve}
}

// Grant is room for one writer. It is for one goroutine at a time.
type Grant struct {
	budget *Budget
	left   int64
}

// New returns a grant of nothing.
func (b *Budget) New() *Grant { return &Grant{budget: b} }

// Room makes sure that n further bytes may be written, and asks for a step where that is needed, but not for more than most bytes in all.
// Its error has scout.CodeDiskLow.
func (g *Grant) Room(n, most int64) error {
	if n <= g.left {
		return nil
	}
	b := g.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	free, err := b.free(b.dir)
	if err != nil {
		return err
	}
	need, reserve := n-g.left, b.reserve()
	there := free - b.outstanding - reserve
	if need > there {
		err := scout.Errorf(scout.CodeDiskLow, "no room for %d MB: %d MB are free, %d MB of them are promised to others and %d MB kept for recordings", up(need), free>>20, up(b.outstanding), up(reserve))
		if reserve > 0 {
			return err.WithHint("free %d MB on the disk, or wait for the others; what is kept is for an hour of recording, as large as record.rate, record.channels and record.format make it, and for the database", up(need-there))
		}
		return err.WithHint("free %d MB on the disk, or wait for the others", up(need-there))
	}
	step := max(need, min(Step, most-g.left, there))
	b.outstanding += step
	g.left += step
	return nil
}

// up is a number of bytes in MB, rounded up.
func up(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }

// Wrote notes that n bytes of it were written: the file system counts them now.
func (g *Grant) Wrote(n int64) { g.give(n) }

// Close gives back what was not written.
func (g *Grant) Close() { g.give(g.left) }

func (g *Grant) give(n int64) {
	b := g.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	n = min(n, g.left)
	g.left -= n
	b.outstanding -= n
}
