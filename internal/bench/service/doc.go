// Package service measures the daemon as its clients meet it: a process of its own with a data folder of its own, real HTTP, a real
// engine. It uses many connections, slow and vanishing clients, kills, a hung engine and a full disk. What it measures is judged by
// bench.ServiceReport. Source: docs/adr/0097-service-bench.md.
package service
