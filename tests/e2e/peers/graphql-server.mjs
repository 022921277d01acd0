// graphql-ws: a subscription of three events.
import { createServer } from 'node:http';
import { GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';

async function* greetings() {
  for (const greetings of ['Hi', '你好', 'Bonjour']) yield { greetings };
}
const schema = new GraphQLSchema({
  query: new GraphQLObjectType({ name: 'Query', fields: { hello: { type: GraphQLString } } }),
  subscription: new GraphQLObjectType({
    name: 'Subscription', fields: { greetings: { type: GraphQLString, subscribe: greetings } },
  }),
});
const http = createServer();
useServer({ schema }, new WebSocketServer({ server: http, path: '/graphql' }));
http.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: http.address().port })));
