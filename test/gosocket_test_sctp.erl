%% SCTP sockets for the suites.
-module(gosocket_test_sctp).

-include("gosocket_test.hrl").

-export([lacking/0, pair/1, listener/2]).

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

-spec listener(inet | inet6, stream | seqpacket) -> socket().
listener(Domain, Type) ->
    {ok, Socket} = ?S:open(Domain, Type, sctp),
    {ok, _} = ?S:bind(Socket, gosocket_test_net:loopback(Domain)),
    ok = ?S:listen(Socket, 128),
    Socket.

%% Two one-to-one sockets connected with each other, both owned by the caller.
-spec pair(inet | inet6) -> {socket(), socket()}.
pair(Domain) ->
    Listener = listener(Domain, stream),
    {ok, Client} = ?S:open(Domain, stream, sctp),
    Server = gosocket_test_net:accepted(Listener, Client),
    ok = ?S:close(Listener),
    {Client, Server}.
