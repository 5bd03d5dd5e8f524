%% SCTP. The suite is skipped on kernels that have none; `make test-sctp' runs it on one that has.
-module(gosocket_sctp_SUITE).

-export([
    every_kind_opens_and_tells_what_it_is/1,
    one_to_one_sockets_exchange_messages/1
]).

-define(OURS, []).
-define(LACKING, gosocket_test_sctp:lacking()).
-include("gosocket_test.hrl").

%% ---- One-to-one: stream

-spec every_kind_opens_and_tells_what_it_is(config()) -> term().
every_kind_opens_and_tells_what_it_is(_) ->
    [begin
         {ok, Socket} = ?S:open(Domain, Type, sctp),
         ?assertMatch(#{domain := Domain, type := Type, protocol := sctp}, ?S:info(Socket)),
         ?assertEqual([{ok, Domain}, {ok, Type}, {ok, sctp}],
                      [?S:getopt(Socket, socket, Key) || Key <- [domain, type, protocol]]),
         ?assertEqual([Socket], ?S:which_sockets(sctp)),
         close(Socket)
     end || Domain <- [inet, inet6], Type <- [stream, seqpacket]].

-spec one_to_one_sockets_exchange_messages(config()) -> term().
one_to_one_sockets_exchange_messages(_) ->
    [begin
         {Client, Server} = gosocket_test_sctp:pair(Domain),
         ok = ?S:send(Client, <<"first">>),
         ok = ?S:send(Client, <<"second">>),
         ?assertEqual([{ok, <<"first">>}, {ok, <<"second">>}], [?S:recv(Server, 0, ?PATIENCE) || _ <- [1, 2]]),
         close({Client, Server})
     end || Domain <- [inet, inet6]].
