package pulse

import (
	"context"
	"fmt"

	"github.com/jfreymuth/pulse/proto"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/capture/sound"
)

// formats are the encodings that the server and Scout both know, by the server's number.
var formats = map[byte]audio.Encoding{
	proto.FormatUint8: audio.Uint8, proto.FormatInt16LE: audio.Int16, proto.FormatInt32LE: audio.Int32,
	proto.FormatFloat32LE: audio.Float32, 9: audio.Int24, // PA_SAMPLE_S24LE
}

// Devices lists the sources of the server with their formats. The error has scout.CodeSoundServer or
// scout.CodeDevicePermission. miniaudio is not asked: it crashes where a
// device goes in the middle (docs/adr/0021-ring.md).
func Devices(ctx context.Context, server string) ([]sound.Device, error) {
	connection, err := dial(ctx, server)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, Diagnose(server, err)
	}
	defer connection.close()
	defer context.AfterFunc(ctx, func() { _ = connection.conn.Close() })() // ends a question under way
	var of proto.GetServerInfoReply
	var sources proto.GetSourceInfoListReply
	if err = connection.client.Request(&proto.GetServerInfo{}, &of); err == nil {
		err = connection.client.Request(&proto.GetSourceInfoList{}, &sources)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, scout.Errorf(scout.CodeSoundServer, "list the devices of the sound server: %w", err)
	}
	devices := make([]sound.Device, 0, len(sources))
	for _, source := range sources {
		d := sound.Device{
			ID: source.SourceName, Name: source.Device, Default: source.SourceName == of.DefaultSourceName,
			Monitor: IsMonitor(source.SourceName),
		}
		if encoding, ok := formats[source.Format]; ok {
			d.Formats = []sound.Format{sound.NewFormat(int(source.Rate), int(source.Channels), encoding)}
		}
		devices = append(devices, d)
	}
	return devices, nil
}

// state asks what the server looks like.
func (c *connection) state() (sound.System, error) {
	var server proto.GetServerInfoReply
	var sources proto.GetSourceInfoListReply
	var outputs proto.GetSourceOutputInfoListReply
	for _, question := range []struct {
		ask    proto.RequestArgs
		answer proto.Reply
	}{
		{&proto.GetServerInfo{}, &server},
		{&proto.GetSourceInfoList{}, &sources},
		{&proto.GetSourceOutputInfoList{}, &outputs},
	} {
		if err := c.client.Request(question.ask, question.answer); err != nil {
			return sound.System{}, fmt.Errorf("ask the sound server: %w", err)
		}
	}
	s := sound.System{
		Up: true, Default: server.DefaultSourceName,
		Sources: make(map[string]sound.Source, len(sources)), Streams: make(map[string]string, len(outputs)),
	}
	byIndex := make(map[uint32]string, len(sources))
	const suspended = 2 // PA_SOURCE_SUSPENDED
	for _, source := range sources {
		byIndex[source.SourceIndex] = source.SourceName
		s.Sources[source.SourceName] = sound.Source{Name: source.Device, Suspended: source.State == suspended}
	}
	for _, output := range outputs {
		s.Streams[output.MediaName] = byIndex[output.SourceIndex]
	}
	return s, nil
}
