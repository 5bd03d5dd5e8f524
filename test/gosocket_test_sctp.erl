%% SCTP sockets for the suites.
-module(gosocket_test_sctp).

-include("gosocket_test.hrl").

-export([lacking/0, domains/0, sctp_listener/2, sctp_pair/1, many/1, silence/0]).
-export([events/1, notification/1]).

-type socket() :: gosocket_test_lib:socket().

%% What this machine lacks for SCTP, "" for nothing.
-spec lacking() -> string().
lacking() ->
    case ?S:open(inet, seqpacket, sctp) of
        {ok, Socket} ->
            ok = ?S:close(Socket),
            "";
        {error, Reason} ->
            lists:concat(["no SCTP in this kernel (", Reason, "): make test-sctp runs it on one that has it"])
    end.

-spec domains() -> [inet | inet6].
domains() -> [inet | [inet6 || gosocket_test_lib:has_ipv6()]].

-spec sctp_listener(inet | inet6, stream | seqpacket) -> socket().
sctp_listener(Domain, Type) ->
    Socket = open(Domain, Type),
    {ok, _} = ?S:bind(Socket, gosocket_test_net:loopback(Domain)),
    ok = ?S:listen(Socket, 128),
    Socket.

%% Two one-to-one sockets connected with each other, both owned by the caller.
-spec sctp_pair(inet | inet6) -> {socket(), socket()}.
sctp_pair(Domain) ->
    Listener = sctp_listener(Domain, stream),
    Client = open(Domain, stream),
    Server = gosocket_test_net:accepted(Listener, Client),
    ok = ?S:close(Listener),
    {Client, Server}.

%% A one-to-many socket that listens, and N that do not know it yet.
-spec many(non_neg_integer()) -> {socket(), [socket()]}.
many(N) ->
    {sctp_listener(inet, seqpacket), [open(inet, seqpacket) || _ <- lists:seq(1, N)]}.

%% What is sent leaves at once, instead of waiting for the answer to what was sent before.
-spec open(inet | inet6, stream | seqpacket) -> socket().
open(Domain, Type) ->
    {ok, Socket} = ?S:open(Domain, Type, sctp),
    ok = ?S:setopt(Socket, sctp, nodelay, true),
    Socket.

%% An address from which no answer comes: the interface has no other end.
-spec silence() -> map().
silence() ->
    _ = os:cmd("ip link add silent type dummy; ip address add 192.0.2.1/24 dev silent; ip link set silent up"),
    #{family => inet, addr => {192, 0, 2, 2}, port => 9}.

%% What to subscribe to with the option `events'.
-spec events([atom()]) -> #{atom() => boolean()}.
events(Wanted) ->
    maps:from_list([{Event, lists:member(Event, Wanted)}
                    || Event <- [data_in, association, address, send_failure, peer_error, shutdown, partial_delivery,
                                 adaptation_layer, authentication, sender_dry]]).

%% The next message of the socket, which must be one.
-spec notification(socket()) -> gosocket_sctp:notification().
notification(Socket) ->
    {ok, #{iov := [Data], flags := [eor, notification]}} = ?S:recvmsg(Socket, 65536, 0, [], ?PATIENCE),
    gosocket_sctp:notification(Data).
