package daemon

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
)

// components are what runs until the daemon stops. Each has a name.
type components struct {
	failures *observe.Failures
	fault    func(component string) // nil but in tests
	living   context.Context        // of the components: it ends when they must end
	end      context.CancelFunc
	failed   chan struct{} // closed when one of them failed

	mu      sync.Mutex
	running map[string]int
	err     error         // why the first one failed
	changed chan struct{} // closed and replaced when one ends
}

// newComponents returns components of which none runs. They live until stop, whatever becomes of ctx.
func newComponents(ctx context.Context, failures *observe.Failures, fault func(string)) *components {
	c := &components{failures: failures, fault: fault, failed: make(chan struct{}), running: map[string]int{}, changed: make(chan struct{})}
	c.living, c.end = context.WithCancel(context.WithoutCancel(ctx))
	return c
}

// run runs a component until the components are stopped. A panic or an error in it ends the daemon in order.
func (c *components) run(name string, component func(context.Context) error) {
	c.mu.Lock()
	c.running[name]++
	c.mu.Unlock()
	go func() { // stop waits for it
		err := c.failures.Guard(name, func() error {
			if c.fault != nil {
				c.fault(name)
			}
			return component(c.living)
		})
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.running[name]--; c.running[name] == 0 {
			delete(c.running, name)
		}
		close(c.changed)
		c.changed = make(chan struct{})
		if err != nil && c.err == nil && !errors.Is(err, context.Canceled) {
			c.err = scout.Errorf(scout.CodeOf(err), "%s failed: %w", name, err).WithHint("%s", scout.HintOf(err))
			c.end()
			close(c.failed)
		}
	}()
}

// stop ends the components and waits for them until ctx ends. Its error names those that go on, which are left behind:
// they end with the process.
func (c *components) stop(ctx context.Context) error {
	c.end()
	for {
		c.mu.Lock()
		left, changed := slices.Sorted(maps.Keys(c.running)), c.changed
		c.mu.Unlock()
		if len(left) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return scout.Errorf(scout.CodeDeadlineExceeded, "%s did not end in time", strings.Join(left, ", "))
		}
	}
}

// failure is why a component failed; nil if none did.
func (c *components) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
