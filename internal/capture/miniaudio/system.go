// Package miniaudio records from the machine's sound system with miniaudio, through malgo: PulseAudio, PipeWire and
// ALSA on Linux, CoreAudio and WASAPI elsewhere. For some questions PulseAudio's own protocol gives better answers;
// they go through package pulse.
package miniaudio

import (
	"context"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"github.com/gen2brain/malgo"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/capture/intake"
	"github.com/scout-speech/scout/internal/capture/pulse"
	"github.com/scout-speech/scout/internal/capture/sound"
)

// Sizes of the buffers between a device and its callback.
const (
	// periodMS is how much audio arrives in one callback. PipeWire needs at least 20 ms to be steady (experience of
	// miniaudio's PulseAudio backend), and a level 50 times a second needs at most 20.
	periodMS = 20
	// periods is how many periods the sound server holds before it drops any: 2.5 s, for a machine that gives this
	// process no time. miniaudio's default is three.
	periods = 128
)

// system is the sound system of the machine. Each stream and each listing has its own connection, so that a restarted
// server is found again.
type system struct {
	options sound.Options
	kind    malgo.Backend
	name    string
}

// Open returns the machine's sound system: PulseAudio or PipeWire, else ALSA, on Linux; the system's own elsewhere. If
// no sound server answers on Linux and ALSA has no device either, the error has scout.CodeSoundServer, or
// scout.CodeDevicePermission if the server answers and refuses.
func Open(ctx context.Context, o sound.Options) (sound.Backend, error) {
	if o.Application == "" {
		o.Application = "Scout"
	}
	var first error
	for _, kind := range candidates(o) {
		s := &system{options: o, kind: kind, name: backendName(kind)}
		_, err := within(ctx, func() (struct{}, error) { return struct{}{}, s.try(ctx) }, func(struct{}) {})
		if err == nil {
			return s, nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = unsupported()
	}
	return nil, first
}

func backendName(kind malgo.Backend) string {
	switch kind {
	case malgo.BackendPulseaudio:
		return "pulseaudio"
	case malgo.BackendAlsa:
		return "alsa"
	case malgo.BackendCoreaudio:
		return "coreaudio"
	case malgo.BackendWasapi:
		return "wasapi"
	}
	return "other"
}

// Name implements Backend.
func (s *system) Name() string { return s.name }

// connect returns a connection to the sound system. It may hang as long as the server does.
func (s *system) connect(ctx context.Context) (*malgo.AllocatedContext, error) {
	if s.kind == malgo.BackendPulseaudio {
		// miniaudio keeps a file and 23 kB for each failed attempt, permanently. A recorder looks for a missing server
		// several times a second, and would have no file left for its audio after some minutes.
		if err := pulse.Check(ctx, s.options.Server); err != nil {
			return nil, err
		}
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	var config malgo.ContextConfig
	config.Pulse.PApplicationName = cString(&pin, s.options.Application)
	if s.options.Server != "" {
		config.Pulse.PServerName = cString(&pin, s.options.Server)
	}
	connection, err := malgo.InitContext([]malgo.Backend{s.kind}, config, nil)
	if err != nil {
		return nil, s.unreachable(err)
	}
	if s.kind == malgo.BackendPulseaudio {
		askForNoDevice(connection)
		watchServer(connection)
	}
	return connection, nil
}

// try connects and disconnects.
func (s *system) try(ctx context.Context) error {
	connection, err := s.connect(ctx)
	if err != nil {
		return err
	}
	return disconnect(connection)
}

// cString returns a C string in Go memory that stays in its place until pin is released. miniaudio copies it.
func cString(pin *runtime.Pinner, text string) *byte {
	b := append([]byte(text), 0)
	pin.Pin(&b[0])
	return &b[0]
}

func disconnect(connection *malgo.AllocatedContext) error {
	err := connection.Uninit()
	connection.Free()
	return err
}

// unreachable explains why the sound system could not be reached.
func (s *system) unreachable(cause error) error {
	if s.kind == malgo.BackendPulseaudio {
		return pulse.Diagnose(s.options.Server, cause)
	}
	return scout.Errorf(scout.CodeSoundServer, "connect to %s: %w", s.name, cause)
}

// within runs work, which may hang in a sound server, and returns when it is done or ctx ends. If an abandoned call
// returns a value later, discard gets it.
func within[T any](ctx context.Context, work func() (T, error), discard func(T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result)
	go func() { // ends with work; a late result is discarded
		value, err := recovered(work)
		select {
		case done <- result{value, err}:
		case <-ctx.Done():
			if err == nil {
				discard(value)
			}
		}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// recovered runs work and turns its panic into an error.
func recovered[T any](work func() (T, error)) (value T, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = scout.Errorf(scout.CodeInternal, "talk to the sound system: panic: %v", panicked)
		}
	}()
	return work()
}

// Devices implements Backend.
func (s *system) Devices(ctx context.Context) ([]sound.Device, error) {
	if s.kind == malgo.BackendPulseaudio {
		return pulse.Devices(ctx, s.options.Server)
	}
	return within(ctx, func() (devices []sound.Device, err error) {
		connection, err := s.connect(ctx)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, disconnect(connection)) }()
		return s.list(connection)
	}, func([]sound.Device) {})
}

// list asks miniaudio. It opens no device. For ALSA the devices therefore have no formats: miniaudio learns those by opening the
// device, which takes a microphone from other programs and switches on its light.
func (s *system) list(connection *malgo.AllocatedContext) ([]sound.Device, error) {
	infos, err := connection.Devices(malgo.Capture)
	if err != nil {
		return nil, scout.Errorf(scout.CodeSoundServer, "list the devices of %s: %w", s.name, err)
	}
	devices := make([]sound.Device, 0, len(infos))
	for i := range infos {
		d := s.device(&infos[i])
		if !s.records(d) {
			continue
		}
		if s.kind != malgo.BackendAlsa {
			if full, err := connection.DeviceInfo(malgo.Capture, infos[i].ID, malgo.Shared); err == nil {
				d.Formats = formats(&full)
			} // else it disappeared just now, or is busy: listed without formats
		}
		devices = append(devices, d)
	}
	return devices, nil
}

func (s *system) device(info *malgo.DeviceInfo) sound.Device {
	d := sound.Device{ID: s.deviceID(info.ID), Name: info.Name(), Default: info.IsDefault != 0, Formats: formats(info)}
	if s.kind == malgo.BackendAlsa {
		d.Default = d.ID == "default"
	}
	return d
}

// records reports whether d is a device and not one of ALSA's plugins, which convert or discard and have a name of one
// word.
func (s *system) records(d sound.Device) bool {
	return s.kind != malgo.BackendAlsa || d.ID == "default" || strings.Contains(d.ID, ":")
}

// deviceID is the readable form of an ID: text where the system uses text, else hexadecimal.
func (s *system) deviceID(id malgo.DeviceID) string {
	if end := slices.Index(id[:], 0); s.textIDs() && end > 0 {
		return string(id[:end])
	}
	return id.String()
}

func (s *system) textIDs() bool {
	return s.kind == malgo.BackendPulseaudio || s.kind == malgo.BackendAlsa || s.kind == malgo.BackendCoreaudio
}

func (s *system) parseID(text string) (id malgo.DeviceID, err error) {
	raw := []byte(text)
	if !s.textIDs() {
		if raw, err = hex.DecodeString(text); err != nil {
			return id, scout.Errorf(scout.CodeDeviceNotFound, "no device %q", text)
		}
	}
	if len(raw) >= len(id) {
		return id, scout.Errorf(scout.CodeDeviceNotFound, "no device %q", text)
	}
	copy(id[:], raw)
	return id, nil
}

func formats(info *malgo.DeviceInfo) []sound.Format {
	all := make([]sound.Format, 0, len(info.Formats))
	for _, f := range info.Formats {
		all = append(all, sound.NewFormat(int(f.SampleRate), int(f.Channels), encoding(f.Format)))
	}
	return all
}

func encoding(f malgo.FormatType) audio.Encoding {
	switch f {
	case malgo.FormatU8:
		return audio.Uint8
	case malgo.FormatS16:
		return audio.Int16
	case malgo.FormatS24:
		return audio.Int24
	case malgo.FormatS32:
		return audio.Int32
	case malgo.FormatF32:
		return audio.Float32
	}
	return 0
}

// Open implements Backend. The stream has the device's own rate, channels and encoding: Scout converts, so that equal
// formats stay bit-exact.
func (s *system) Open(ctx context.Context, id string, sink func(sound.Format) (sound.Sink, error), o sound.OpenOptions) (sound.Stream, error) {
	stream, err := within(ctx, func() (*systemStream, error) { return s.open(ctx, id, sink, o) },
		func(late *systemStream) { _ = late.Close() }) // nobody is left to tell
	if err != nil {
		return nil, err
	}
	return stream, nil
}

// choice lists what can be opened over a connection, without formats.
func (s *system) choice(ctx context.Context, connection *malgo.AllocatedContext) ([]sound.Device, error) {
	if s.kind == malgo.BackendPulseaudio {
		return pulse.Devices(ctx, s.options.Server)
	}
	return s.list(connection)
}

func (s *system) open(ctx context.Context, id string, sink func(sound.Format) (sound.Sink, error), o sound.OpenOptions) (stream *systemStream, err error) {
	connection, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, disconnect(connection))
		}
	}()
	devices, err := s.choice(ctx, connection)
	if err != nil {
		return nil, err
	}
	device, err := sound.Find(devices, id)
	if err != nil {
		return nil, err
	}

	stream = &systemStream{system: s, connection: connection, device: device, server: s.options.Server, never: make(chan struct{})}
	if s.kind == malgo.BackendPulseaudio {
		stream.name = "Scout " + strconv.FormatUint(rand.Uint64(), 36) // the name by which we find it among all streams
	}
	config := malgo.DefaultDeviceConfig(malgo.Capture)
	config.PeriodSizeInMilliseconds = periodMS
	config.Periods = periods
	config.NoFixedSizedCallback = 1 // a block comes as soon as it is there, and none is left at the end
	config.Pulse.StreamNameCapture = stream.name
	config.Alsa.NoMMap = 1
	// PulseAudio refuses to move a stream that names its device. A stream without a device follows the default device
	// (miniaudio, ma_device_init__pulse).
	var pin runtime.Pinner
	defer pin.Unpin()
	if o.Follow || !device.Default {
		raw, err := s.parseID(device.ID)
		if err != nil {
			return nil, err
		}
		pin.Pin(&raw)
		config.Capture.DeviceID = unsafe.Pointer(&raw)
	}
	marker := new(byte) // installCallback uses it to find pUserData in the device
	pin.Pin(marker)
	config.PUserData = marker
	var target sound.Sink
	callbacks := malgo.DeviceCallbacks{Data: func(_, in []byte, _ uint32) { target.Deliver(in) }}
	opened, err := initDevice(connection, config, callbacks)
	if err != nil {
		return nil, s.openError(ctx, device, err)
	}
	stream.opened = opened
	stream.format = sound.NewFormat(int(opened.SampleRate()), int(opened.CaptureChannels()), encoding(opened.CaptureFormat()))
	if target, err = sink(stream.format); err != nil {
		opened.Uninit()
		return nil, err
	}
	if q, ok := target.(*intake.Queue); ok {
		if stream.alarm, err = intake.NewAlarm(q); err != nil {
			opened.Uninit()
			return nil, scout.Errorf(scout.CodeDeviceUnavailable, "open device %s: %w", device.ID, err)
		}
		stream.native = installCallback(opened, marker, q, &stream.pin)
	}
	return stream, nil
}

// openError explains why the device could not be opened or started. The library gives no reason, so the server is asked
// whether the device still exists.
func (s *system) openError(ctx context.Context, d sound.Device, err error) error {
	if s.kind == malgo.BackendPulseaudio {
		devices, listErr := pulse.Devices(ctx, s.options.Server)
		if listErr == nil {
			_, listErr = sound.Find(devices, d.ID)
		}
		if listErr != nil {
			return listErr
		}
	}
	var result malgo.Result
	code := scout.CodeDeviceUnavailable
	if errors.As(err, &result) {
		switch result {
		case malgo.ErrAccessDenied:
			code = scout.CodeDevicePermission
		case malgo.ErrNoDevice, malgo.ErrDoesNotExist:
			code = scout.CodeDeviceNotFound
		}
	}
	return scout.Errorf(code, "open device %s: %w", d.ID, err)
}

// systemStream is an open device of the system.
type systemStream struct {
	system     *system
	connection *malgo.AllocatedContext
	opened     *malgo.Device
	device     sound.Device
	format     sound.Format
	name       string
	server     string
	never      chan struct{}
	pin        runtime.Pinner // of the memory that the callback writes
	alarm      *intake.Alarm  // the callback in C rings it; nil if frames do not go into an intake
	native     bool           // the callback is the C version

	once     sync.Once
	closeErr error
}

// Device implements Stream.
func (s *systemStream) Device() sound.Device { return s.device }

// Format implements Stream.
func (s *systemStream) Format() sound.Format { return s.format }

// Name implements Stream.
func (s *systemStream) Name() string { return s.name }

// RealTime implements Stream.
func (s *systemStream) RealTime() bool { return true }

// Done implements Stream.
func (s *systemStream) Done() <-chan struct{} { return s.never }

// Start implements Stream.
func (s *systemStream) Start(ctx context.Context) error {
	_, err := within(ctx, func() (struct{}, error) { return struct{}{}, s.opened.Start() }, func(struct{}) {})
	if err != nil {
		if ctx.Err() == nil {
			err = s.system.openError(ctx, s.device, err)
		}
		return err
	}
	_ = s.Wake(ctx, s.device.ID) // if that fails the frames come later; callers have a deadline
	return nil
}

// Wake implements sound.Waker: if the device is a monitor of PulseAudio, it makes the device deliver at once.
func (s *systemStream) Wake(ctx context.Context, id string) error {
	if s.name == "" || !pulse.IsMonitor(id) {
		return nil
	}
	return pulse.Wake(ctx, s.server, id, s.name)
}

// NativeCallback implements sound.NativeStream.
func (s *systemStream) NativeCallback() bool { return s.native }

// Close implements Stream.
func (s *systemStream) Close() error {
	s.once.Do(func() {
		// Uninit alone waits for one more block, which a dead stream never delivers. Stop wakes the thread that waits
		// for it. Its error only says that the stream is dead.
		_ = s.opened.Stop()
		s.opened.Uninit()
		s.pin.Unpin()
		s.closeErr = disconnect(s.connection)
		if s.alarm != nil {
			s.closeErr = errors.Join(s.closeErr, s.alarm.Close())
		}
	})
	return s.closeErr
}

// Watch implements Backend.
func (s *system) Watch(ctx context.Context) <-chan sound.System {
	if s.kind == malgo.BackendPulseaudio {
		return pulse.Watch(ctx, s.options.Server, s.options.Faults)
	}
	none := make(chan sound.System)
	close(none)
	return none
}
