package miniaudio

import (
	"github.com/gen2brain/malgo"

	"github.com/scout-speech/scout/internal/capture/sound"
)

// AskForProperties asks miniaudio for the properties of a device, by the connection of a backend of Open's.
func AskForProperties(b sound.Backend, id string) error {
	s := b.(*system)
	connection, err := s.connect()
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
