// Command coredns is CoreDNS with only the plugins that cluster DNS on one machine needs.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/template"
)

func main() {
	// The order in which a query passes the plugins, as in upstream's plugin.cfg.
	dnsserver.Directives = []string{"ready", "health", "errors", "cache", "template", "kubernetes"}
	coremain.Run()
}
