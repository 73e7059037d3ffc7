// The shared worker that has the one stream of events of all tabs.
import { type FromTab, Hub } from "./hub";

const scope = self as unknown as { name: string; onconnect: ((e: MessageEvent) => void) | null };
const hub = new Hub(scope.name);
scope.onconnect = ({ ports: [port] }) => {
  if (!port) return;
  const receive = hub.join(port);
  port.onmessage = ({ data }) => receive(data as FromTab);
};
