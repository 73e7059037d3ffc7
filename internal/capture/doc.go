// Package capture brings sound from a device into a ring and keeps its time true.
//
// A Session records one device. Its owner goroutine (Run) opens the device, moves frames from the device's callback
// into the ring, and checks that they keep arriving. If they do not, it opens the device again and puts silence where
// sound is missing: frame n of the ring is n/rate seconds after frame 0, whatever happens to the device. Every such
// stretch is a Gap.
//
// Package sound defines devices and sound systems. Three packages implement them: miniaudio (the machine's), virtual
// (files and signals) and pulse, which miniaudio asks about changes on PulseAudio and PipeWire. The age of the newest
// frame is always watched, since a server that dies or hangs reports nothing.
//
// The device's callback copies into a queue of a few seconds (package intake) and returns: it takes no lock,
// allocates nothing and logs nothing. Everything else happens in the owner goroutine, the only
// writer of the ring. Requirements S3, S4, S19; docs/adr/0021-ring.md, docs/adr/0022-gap-policy.md.
package capture
