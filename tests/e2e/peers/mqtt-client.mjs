// MQTT over WebSocket: subscribes, publishes three messages, prints what it received.
import mqtt from 'mqtt';

const client = await mqtt.connectAsync(process.argv[2], { reconnectPeriod: 0 });
const received = [];
const done = new Promise((resolve) => {
  client.on('message', (topic, payload) => {
    received.push([topic, payload.toString()]);
    if (received.length === 3) resolve();
  });
});
await client.subscribeAsync('房间/#', { qos: 1 });
for (const n of [1, 2, 3]) await client.publishAsync(`房间/${n}`, `消息 ${n}`, { qos: 1 });
await done;
await client.endAsync();
console.log(JSON.stringify({ received }));
