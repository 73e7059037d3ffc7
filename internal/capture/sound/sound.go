// Package sound has the nouns of recording from a device: what a device and its format are, what a sound system does,
// and how frames come from it. The sound systems are in pulse, miniaudio and virtual; capture.Session uses them.
package sound

import (
	"context"
	"fmt"
	"strings"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/fault"
)

// Device is something to record from.
type Device struct {
	// ID names the device for good: for PulseAudio and PipeWire the name of the source.
	ID string `json:"id"`
	// Name is for people.
	Name string `json:"name"`
	// Default is the device that recording takes when none is named.
	Default bool `json:"default"`
	// Monitor is not a microphone but what an output plays.
	Monitor bool `json:"monitor"`
	// Formats are what the device delivers without conversion; empty where it does not say.
	Formats []Format `json:"formats"`
}

// Format is a format in which a device delivers frames.
type Format struct {
	SampleRateHz int `json:"sample_rate"`
	Channels     int `json:"channels"`
	// Encoding is that of a sample, interleaved.
	Encoding audio.Encoding `json:"-"`
	// Sample is the name of the encoding.
	Sample string `json:"sample_format"`
}

// FrameBytes is the size of one frame.
func (f Format) FrameBytes() int { return f.Channels * f.Encoding.Bytes() }

// String returns for example "48000 Hz, 2 channels, pcm_s16le".
func (f Format) String() string {
	return fmt.Sprintf("%d Hz, %d channels, %s", f.SampleRateHz, f.Channels, f.Encoding)
}

// NewFormat returns the format with this encoding of samples.
func NewFormat(rate, channels int, encoding audio.Encoding) Format {
	return Format{SampleRateHz: rate, Channels: channels, Encoding: encoding, Sample: encoding.String()}
}

// Frames is a number of frames as a device delivers them, at its rate. A recording has another rate: capture's converter says
// how many of its frames they are.
type Frames uint64

// Sink takes frames from a device. Deliver is called by one thread at a time, the device's own, with
// whole frames in the format of the stream; the bytes belong to the device and are valid during the
// call only. It must not block.
type Sink interface {
	Deliver(frames []byte)
}

// Stream is an open device.
type Stream interface {
	// Device is what was opened, the real device where the default was asked for.
	Device() Device
	// Format is that of the frames.
	Format() Format
	// Name is that under which the system lists the stream, for System.Streams; empty where it does not.
	Name() string
	// RealTime is true where frames come as time passes; false where as fast as they are taken.
	RealTime() bool
	// Start lets frames flow. It may take as long as a sleeping device needs to wake up.
	Start(ctx context.Context) error
	// Done is closed when no frame will follow: a file ended, or the stream broke and is a Breaker. A device that stops
	// delivering without a word does not close it.
	Done() <-chan struct{}
	// Close ends the stream; no frame is delivered after it returned. A sound server that hangs may
	// keep it from returning.
	Close() error
}

// A Waker is a Stream that can make a sleeping device deliver at once.
type Waker interface {
	// Wake wakes the device with that ID, from which the stream records now. It does nothing where the device is awake, or
	// where somebody else uses it.
	Wake(ctx context.Context, id string) error
}

// A Breaker is a Stream that can break in a way that ends it.
type Breaker interface {
	// Err tells why the stream broke, once Done is closed; nil where it came to its end.
	Err() error
}

// A NativeStream is a Stream whose callback may be the one in C.
type NativeStream interface {
	// NativeCallback is false where Go's own has to do.
	NativeCallback() bool
}

// OpenOptions say how to open a device.
type OpenOptions struct {
	// Follow pins the stream to the device: if that goes away the stream ends. Without it the system
	// may move the stream to another device.
	Follow bool
	// Pace, where set, is called by a stream that is not in real time before each block and returns
	// when there is room for it. It returns an error when the stream should end.
	Pace func(ctx context.Context, frames Frames) error
	// Faults is where tests make the stream's own goroutine fail.
	Faults fault.Points
}

// Options say how to reach a sound system.
type Options struct {
	// Server is the address of the PulseAudio or PipeWire server, as in PULSE_SERVER; empty for the
	// user's own.
	Server string
	// Application is the name under which the sound server lists the program; default "Scout".
	Application string
	// Faults is where tests make goroutines fail.
	Faults fault.Points
}

// Backend is a sound system. Its methods may be called from several goroutines; those with a context
// return early when it is done and leave no device open then.
type Backend interface {
	// Name stands in logs: "pulseaudio", "alsa", "signal".
	Name() string
	// Devices lists what can be recorded. No device at all is an empty list and no error.
	Devices(ctx context.Context) ([]Device, error)
	// Open opens the device with that ID, or the default one for "". Frames go to sink after Start.
	// The format is the device's own.
	Open(ctx context.Context, id string, sink func(Format) (Sink, error), o OpenOptions) (Stream, error)
	// Watch sends what the system looks like now and after each change, until ctx ends. It replaces
	// an unread state by a newer one. A system that cannot tell closes the channel at once.
	Watch(ctx context.Context) <-chan System
}

// System is what a sound system looks like.
type System struct {
	// Up is false while the sound server does not answer.
	Up bool
	// Default is the ID of the default device.
	Default string
	// Sources are the devices by ID.
	Sources map[string]Source
	// Streams tells for each stream by its name from which device it records.
	Streams map[string]string
}

// Source is a device in a System.
type Source struct {
	Name string
	// Suspended devices deliver nothing although they are open.
	Suspended bool
}

// Find returns the device that what names: by ID, by name, or by a part of one of them that fits no
// other, without regard to case. "" and "default" are the default one.
func Find(devices []Device, what string) (Device, error) {
	if len(devices) == 0 {
		return Device{}, scout.Errorf(scout.CodeNoDevice, "no device to record from")
	}
	if IsDefault(what) {
		for _, d := range devices {
			if d.Default {
				return d, nil
			}
		}
		return Device{}, scout.Errorf(scout.CodeNoDevice, "the system has no default device").
			WithHint("name one with --device: %s", names(devices))
	}
	for _, d := range devices {
		if d.ID == what {
			return d, nil
		}
	}
	for _, d := range devices {
		if d.Name == what {
			return d, nil
		}
	}
	var found []Device
	part := strings.ToLower(what)
	for _, d := range devices {
		if strings.Contains(strings.ToLower(d.ID), part) || strings.Contains(strings.ToLower(d.Name), part) {
			found = append(found, d)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return Device{}, scout.Errorf(scout.CodeDeviceNotFound, "no device %q", what).WithHint("available: %s", names(devices))
	}
	return Device{}, scout.Errorf(scout.CodeDeviceNotFound, "%q matches more than one device", what).WithHint("name one of: %s", names(found))
}

// IsDefault tells whether what names the default device.
func IsDefault(what string) bool { return what == "" || what == "default" }

func names(devices []Device) string {
	var b strings.Builder
	for i, d := range devices {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s (%s)", d.ID, d.Name)
	}
	return b.String()
}
