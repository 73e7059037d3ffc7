package job

import (
	"context"

	"github.com/scout-speech/scout/internal/store"
)

// Room returns a *FullError if a job of the client would be refused now. What is large is asked for before it is received; Submit decides.
func (q *Queue) Room(ctx context.Context, client string) error {
	return q.store.Update(ctx, func(tx store.Tx) error { return q.room(tx, client) })
}
