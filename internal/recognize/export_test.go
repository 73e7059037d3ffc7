package recognize

import (
	"context"
	"time"

	"github.com/scout-speech/scout/internal/model"
)

// IdleUnload is for tests.
func (e *Engines) IdleUnload(ctx context.Context, store *model.Store, id string) time.Duration {
	return e.idleUnload(ctx, store, id)
}
