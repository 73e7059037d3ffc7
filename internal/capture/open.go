package capture

import (
	"context"

	"github.com/scout-speech/scout/internal/capture/miniaudio"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/capture/virtual"
)

// Open returns the sound system for a device's name and the ID to open with it: a virtual device, or a device of the
// machine.
func Open(ctx context.Context, device string, o sound.Options) (sound.Backend, string, error) {
	if virtual.Is(device) {
		return virtual.Backend{}, device, nil
	}
	backend, err := miniaudio.Open(ctx, o)
	return backend, device, err
}
