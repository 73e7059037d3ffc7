// Package sound has the nouns of recording from a device: devices, their formats, sound systems and streams of frames.
// The sound systems are in pulse, miniaudio and virtual; capture.Session uses them.
package sound

import (
	"context"
	"fmt"
	"strings"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/fault"
	"github.com/scout-speech/scout/internal/spelling"
)

// Device is something to record from.
type Device struct {
	// ID names the device permanently: for PulseAudio and PipeWire it is the name of the source.
	ID string `json:"id"`
	// Name is for people.
	Name string `json:"name"`
	// Default is the device that recording takes when none is named.
	Default bool `json:"default"`
	// Monitor is true for a device that records what an output plays, and not a microphone.
	Monitor bool `json:"monitor"`
	// Formats are what the device delivers without conversion; empty if that cannot be learned without opening the device.
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
	return fmt.Sprintf("%d Hz, %s, %s", f.SampleRateHz, spelling.Count(f.Channels, "channel"), f.Encoding)
}

// NewFormat returns the format with this encoding of samples.
func NewFormat(rate, channels int, encoding audio.Encoding) Format {
	return Format{SampleRateHz: rate, Channels: channels, Encoding: encoding, Sample: encoding.String()}
}

// Frames is a number of frames as a device delivers them, at its rate. A recording may have another rate: capture's
// converter converts between the two.
type Frames uint64

// Sink takes frames from a device. Deliver is called by one thread at a time, the device's own, with whole frames in
// the format of the stream. The bytes belong to the device and are valid only during the call. Deliver must not block.
type Sink interface {
	Deliver(frames []byte)
}

// Stream is an open device.
type Stream interface {
	// Device returns the opened device, the real one if the default was requested.
	Device() Device
	// Format is that of the frames.
	Format() Format
	// Name is the name of the stream in the system's list, for System.Streams; empty if the system has none.
	Name() string
	// RealTime reports whether frames arrive in real time; otherwise they arrive as fast as they are taken.
	RealTime() bool
	// Start lets frames flow. It may take as long as a sleeping device needs to wake up.
	Start(ctx context.Context) error
	// Done returns a channel that is closed when no frame will follow: a file ended, or the stream broke and is a
	// Breaker. A device that silently stops delivering does not close it.
	Done() <-chan struct{}
	// Close ends the stream; no frame is delivered after it has returned. A sound server that hangs may prevent it from
	// returning.
	Close() error
}

// A Waker is a Stream that can make a sleeping device deliver at once.
type Waker interface {
	// Wake wakes the device with that ID, from which the stream now records. It does nothing if the device is awake, or
	// if somebody else uses it.
	Wake(ctx context.Context, id string) error
}

// A Breaker is a Stream that can break in a way that ends it.
type Breaker interface {
	// Err returns why the stream broke, once Done is closed; nil if it ended normally.
	Err() error
}

// A NativeStream is a Stream whose callback may be the one in C.
type NativeStream interface {
	// NativeCallback reports whether it is.
	NativeCallback() bool
}

// OpenOptions say how to open a device.
type OpenOptions struct {
	// Follow pins the stream to the device: if the device disappears the stream ends. Without it the system may move
	// the stream to another device.
	Follow bool
	// Pace, if set, is called by a stream that is not in real time before each block and returns when there is room for
	// it. It returns an error when the stream should end.
	Pace func(ctx context.Context, frames Frames) error
	// Faults lets tests make the stream's own goroutine fail.
	Faults fault.Points
}

// Options say how to reach a sound system.
type Options struct {
	// Server is the address of the PulseAudio or PipeWire server, as in PULSE_SERVER; empty for the
	// user's own.
	Server string
	// Application is the name under which the sound server lists the program; default "Scout".
	Application string
	// Faults lets tests make goroutines fail.
	Faults fault.Points
}

// Backend is a sound system. Its methods may be called from several goroutines. Those with a context return early when
// it ends, and then leave no device open.
type Backend interface {
	// Name stands in logs: "pulseaudio", "alsa", "signal".
	Name() string
	// Devices lists the devices to record from, and opens none. If there are none, the list is empty and there is no error.
	Devices(ctx context.Context) ([]Device, error)
	// Open opens the device with that ID, or the default one for "". Frames go to sink after Start.
	// The format is the device's own.
	Open(ctx context.Context, id string, sink func(Format) (Sink, error), o OpenOptions) (Stream, error)
	// Watch sends the state of the system now and after each change, until ctx ends. It replaces an unread state by a
	// newer one. A system that cannot report changes closes the channel at once.
	Watch(ctx context.Context) <-chan System
}

// System is the state of a sound system.
type System struct {
	// Up is false while the sound server does not answer.
	Up bool
	// Default is the ID of the default device.
	Default string
	// Sources are the devices by ID.
	Sources map[string]Source
	// Streams gives, for each stream by its name, the device that it records.
	Streams map[string]string
}

// Source is a device in a System.
type Source struct {
	Name string
	// Suspended devices deliver nothing even if they are open.
	Suspended bool
}

// Find returns the device that what names: by ID, by name, or by a part of either that fits no other device, regardless
// of case. "" and "default" are the default device.
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

// IsDefault reports whether what names the default device.
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
