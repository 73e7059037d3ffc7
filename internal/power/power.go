// Package power tells where the machine has its power from.
package power

import (
	"os"
	"path/filepath"
	"strings"
)

// Supplies is where Linux tells about supplies of power.
const Supplies = "/sys/class/power_supply"

// Mains reports whether the machine runs on mains power: a charger is connected, or none of its own batteries is being discharged. A
// machine that tells nothing, as one without a battery does, is on mains power.
//
//	dir  Supplies, or a folder like it
//
// Source: Documentation/ABI/testing/sysfs-class-power of Linux.
func Mains(dir string) bool {
	supplies, err := os.ReadDir(dir)
	if err != nil {
		return true
	}
	discharging := false
	for _, s := range supplies {
		read := func(name string) string {
			text, err := os.ReadFile(filepath.Join(dir, s.Name(), name))
			if err != nil {
				return "" // not every supply has every file
			}
			return strings.TrimSpace(string(text))
		}
		if read("scope") == "Device" { // the battery of a mouse
			continue
		}
		switch read("type") {
		case "Mains", "USB", "Wireless":
			if online := read("online"); online != "" && online != "0" {
				return true
			}
		case "Battery", "UPS":
			discharging = discharging || read("status") == "Discharging"
		}
	}
	return !discharging
}
