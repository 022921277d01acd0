// npm eventsource: `sse-client.mjs URL LAST`; prints all events up to the one with id LAST, then closes.
import { EventSource } from 'eventsource';

const [url, last] = process.argv.slice(2);
const source = new EventSource(url);
const events = [];
const take = ({ type, data, lastEventId }) => {
  events.push([type, data, lastEventId]);
  if (lastEventId === last) {
    source.close();
    console.log(JSON.stringify({ events }));
  }
};
source.onmessage = take;
source.addEventListener('news', take);
