package pulse

import (
	"fmt"
)

// source is a device to record from.
type source struct {
	index    uint32
	id, name string
	format   byte
	channels byte
	rateHz   uint32
	state    uint32
}

// suspended is the state of a source or sink that sleeps (PA_SOURCE_SUSPENDED).
const suspended = 2

// sources asks for all of them.
func (c *connection) sources() ([]source, error) {
	v, err := c.ask(commandSources, nil)
	if err != nil {
		return nil, fmt.Errorf("ask for the devices: %w", err)
	}
	var all []source
	for v.more() {
		all = append(all, readSource(&v))
	}
	if v.err != nil {
		return nil, fmt.Errorf("ask for the devices: %w", v.err)
	}
	return all, nil
}

// readSource reads a source. A sink looks the same.
func readSource(v *values) (s source) {
	s.index = v.number()
	s.id, s.name = v.text(), v.text()
	s.format, s.channels, s.rateHz = v.sample()
	v.skip(tagChannelMap, tagNumber, tagVolumes, tagTrue)       // of which module, how loud, muted
	v.skip(tagNumber, tagText, tagDuration, tagText, tagNumber) // of what it is the monitor: index and name; latency, driver, flags
	v.skip(tagProperties, tagDuration, tagVolume)               // latency asked for, base volume
	s.state = v.number()
	v.skip(tagNumber, tagNumber) // steps of volume, card
	return s
}

// sink asks for an output by its name.
func (c *connection) sink(name string) (source, error) {
	v, err := c.ask(commandSinkInfo, arguments(nil).number(anyIndex).text(name))
	if err != nil {
		return source{}, fmt.Errorf("ask for output %s: %w", name, err)
	}
	s := readSource(&v)
	if v.err != nil {
		return source{}, fmt.Errorf("ask for output %s: %w", name, v.err)
	}
	return s, nil
}

// stream is something that plays or records.
type stream struct {
	name string
	at   uint32 // index of the sink or source
}

// playing asks for all streams that play.
func (c *connection) playing() ([]stream, error) {
	return c.streams(commandSinkInputs, "what is playing", tagVolumes, tagDuration, tagDuration, tagText, tagText, tagTrue, tagProperties)
}

// recording asks for all streams that record.
func (c *connection) recording() ([]stream, error) {
	return c.streams(commandSourceOutputs, "what is recording", tagDuration, tagDuration, tagText, tagText, tagProperties)
}

// streams asks for streams, of which rest are the last values.
func (c *connection) streams(command uint32, what string, rest ...byte) ([]stream, error) {
	v, err := c.ask(command, nil)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", what, err)
	}
	var all []stream
	for v.more() {
		v.skip(tagNumber) // its index
		s := stream{name: v.text()}
		v.skip(tagNumber, tagNumber) // module, client
		s.at = v.number()
		v.skip(tagSample, tagChannelMap)
		v.skip(rest...)
		all = append(all, s)
	}
	if v.err != nil {
		return nil, fmt.Errorf("ask for %s: %w", what, v.err)
	}
	return all, nil
}

// defaultSource asks for the ID of the default device.
func (c *connection) defaultSource() (string, error) {
	v, err := c.ask(commandServerInfo, nil)
	if err != nil {
		return "", fmt.Errorf("ask for the default device: %w", err)
	}
	v.skip(tagText, tagText, tagText, tagText, tagSample, tagText) // program, version, user, machine, format, output
	id := v.text()
	if v.err != nil {
		return "", fmt.Errorf("ask for the default device: %w", v.err)
	}
	return id, nil
}
