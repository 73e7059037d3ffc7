package miniaudio

import (
	"context"
	"runtime"
	"unsafe"

	"github.com/gen2brain/malgo"

	"github.com/scout-speech/scout/internal/capture/sound"
)

// AskForProperties asks miniaudio for the properties of a device, by the connection of a backend of Open's.
func AskForProperties(b sound.Backend, id string) error {
	s := b.(*system) //nolint:errcheck,forcetypeassert // Open makes no other
	connection, err := s.connect(context.Background())
	if err != nil {
		return err
	}
	defer func() { _ = disconnect(connection) }() // nothing was done over it
	raw, err := s.parseID(id)
	if err != nil {
		return err
	}
	_, err = connection.DeviceInfo(malgo.Capture, raw, malgo.Shared)
	return err
}

// InitGone makes miniaudio initialise a device that is not there, as happens where it goes after it was looked for. watched is
// false where what miniaudio calls of the server is not led through server.c.
func InitGone(b sound.Backend) (watched bool, err error) {
	s := b.(*system) //nolint:errcheck,forcetypeassert // Open makes no other
	connection, err := s.connect(context.Background())
	if err != nil {
		return false, err
	}
	defer func() { _ = disconnect(connection) }() // nothing was done over it
	var pin runtime.Pinner
	defer pin.Unpin()
	gone, err := s.parseID("gone.monitor")
	if err != nil {
		return false, err
	}
	pin.Pin(&gone)
	config := malgo.DefaultDeviceConfig(malgo.Capture)
	config.Capture.DeviceID = unsafe.Pointer(&gone)
	_, err = initDevice(connection, config, malgo.DeviceCallbacks{})
	return !watchServer(connection), err // a second time there is nothing left to find
}

// ALSA returns the backend of ALSA, also where a sound server runs or no card records.
func ALSA() sound.Backend {
	return &system{kind: malgo.BackendAlsa, name: backendName(malgo.BackendAlsa)}
}
