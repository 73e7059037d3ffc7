package pulse

import (
	"context"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/capture/sound"
)

// formats are the encodings that both the server and Scout know, by the server's number (pulse/sample.h).
var formats = map[byte]audio.Encoding{0: audio.Uint8, 3: audio.Int16, 5: audio.Float32, 7: audio.Int32, 9: audio.Int24}

// Check reports an error if the server does not answer or refuses this user. The error is as for Devices.
func Check(ctx context.Context, server string) error {
	connection, err := reach(ctx, server)
	if err != nil {
		return err
	}
	connection.close()
	return nil
}

// reach is dial with an error for people.
func reach(ctx context.Context, server string) (*connection, error) {
	connection, err := dial(ctx, server)
	if err == nil {
		return connection, nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, Diagnose(server, err)
}

// Devices lists the sources of the server with their formats. The error has scout.CodeSoundServer or
// scout.CodeDevicePermission. miniaudio is not used here, because it crashes if a device disappears meanwhile
// (docs/adr/0021-ring.md).
func Devices(ctx context.Context, server string) ([]sound.Device, error) {
	connection, err := reach(ctx, server)
	if err != nil {
		return nil, err
	}
	defer connection.close()
	defer context.AfterFunc(ctx, func() { _ = connection.conn.Close() })() // ends a question under way
	defaultID, err := connection.defaultSource()
	var sources []source
	if err == nil {
		sources, err = connection.sources()
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, scout.Errorf(scout.CodeSoundServer, "list the devices of the sound server: %w", err)
	}
	devices := make([]sound.Device, 0, len(sources))
	for _, s := range sources {
		d := sound.Device{ID: s.id, Name: s.name, Default: s.id == defaultID, Monitor: IsMonitor(s.id)}
		if encoding, ok := formats[s.format]; ok {
			d.Formats = []sound.Format{sound.NewFormat(int(s.rateHz), int(s.channels), encoding)}
		}
		devices = append(devices, d)
	}
	return devices, nil
}

// state asks what the server looks like.
func (c *connection) state() (sound.System, error) {
	defaultID, err := c.defaultSource()
	if err != nil {
		return sound.System{}, err
	}
	sources, err := c.sources()
	if err != nil {
		return sound.System{}, err
	}
	streams, err := c.recording()
	if err != nil {
		return sound.System{}, err
	}
	s := sound.System{
		Up: true, Default: defaultID,
		Sources: make(map[string]sound.Source, len(sources)), Streams: make(map[string]string, len(streams)),
	}
	byIndex := make(map[uint32]string, len(sources))
	for _, from := range sources {
		byIndex[from.index] = from.id
		s.Sources[from.id] = sound.Source{Name: from.name, Suspended: from.state == suspended}
	}
	for _, stream := range streams {
		s.Streams[stream.name] = byIndex[stream.at]
	}
	return s, nil
}
