// Package capture brings sound from a device into a ring and keeps its time true.
//
// A Session is one device being heard. Its owner goroutine (Run) opens the device, moves frames
// from the device's callback into the ring, watches that they keep coming, opens the device again
// when they do not, and puts silence where sound is missing: frame n of the ring is n/rate seconds
// after frame 0, whatever happens to the device. Every such stretch is a Gap.
//
// What a device and a sound system are is in package sound. Three packages have some: miniaudio (the machine's), virtual (files
// and signals) and pulse, which is asked by miniaudio for what changes on PulseAudio and PipeWire. Everywhere the age of the
// newest frame is watched, since a server that dies or hangs tells nobody.
//
// The device's callback copies into a queue of a few seconds (package intake) and returns: it takes no lock,
// allocates nothing and logs nothing. Everything else happens in the owner goroutine, the only
// writer of the ring. Requirements S3, S4, S19; docs/adr/0021-ring.md, docs/adr/0022-gap-policy.md.
package capture
