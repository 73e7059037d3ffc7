package capture

import "github.com/gen2brain/malgo"

// AskForProperties asks miniaudio for the properties of a device, by the connection of a backend of OpenSystem's.
func AskForProperties(b Backend, id string) error {
	s := b.(*system)
	sound, err := s.connect()
	if err != nil {
		return err
	}
	defer func() { _ = disconnect(sound) }() // nothing was done over it
	raw, err := s.parseID(id)
	if err != nil {
		return err
	}
	_, err = sound.DeviceInfo(malgo.Capture, raw, malgo.Shared)
	return err
}
