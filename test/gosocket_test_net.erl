%% Sockets on loopback for the suites.
-module(gosocket_test_net).

-include("gosocket_test.hrl").

-export([kinds/0, stream_kinds/0, listener/1, listener/2, pair/1, small_pair/1, accepted/2, unconnected/1]).
-export([loopback/1, local_address/1, bound/1]).
-export([fill/1, block/1, drain/1, drain/2, reset/1, full_listener/0, await_listening/1, close/1]).

-type kind() :: {inet | inet6 | local, stream | dgram | seqpacket}.
-type socket() :: gosocket_test_lib:socket().

-export_type([kind/0]).

-spec kinds() -> [kind()].
kinds() ->
    [{Domain, Type} || {Domain, Type} <- all_kinds(), Domain =/= inet6 orelse gosocket_test_lib:has_ipv6()].

-spec all_kinds() -> [kind()].
all_kinds() ->
    [{inet, stream}, {inet6, stream}, {local, stream}, {local, seqpacket}, {inet, dgram}, {inet6, dgram}, {local, dgram}].

-spec stream_kinds() -> [kind()].
stream_kinds() ->
    [Kind || {_, stream} = Kind <- kinds()].

%% A free address of the domain's loopback; the kernel chooses the port.
-spec loopback(inet | inet6 | local) -> map().
loopback(local) -> gosocket_test_lib:abstract();
loopback(Domain) -> #{family => Domain, addr => loopback}.

-spec local_address(socket()) -> map().
local_address(Socket) ->
    {ok, Address} = ?S:sockname(Socket),
    Address.

-spec unconnected(kind()) -> socket().
unconnected({Domain, Type}) ->
    {ok, Socket} = ?S:open(Domain, Type),
    Socket.

-spec bound(kind()) -> socket().
bound({Domain, _} = Kind) ->
    Socket = unconnected(Kind),
    {ok, _} = ?S:bind(Socket, loopback(Domain)),
    Socket.

-spec listener(kind()) -> socket().
listener(Kind) ->
    listener(Kind, fun(_) -> ok end).

%% Prepare sets options before bind, so that accepted sockets inherit them.
-spec listener(kind(), fun((socket()) -> ok)) -> socket().
listener({Domain, _} = Kind, Prepare) ->
    Socket = unconnected(Kind),
    ok = Prepare(Socket),
    {ok, _} = ?S:bind(Socket, loopback(Domain)),
    ok = ?S:listen(Socket, 128),
    Socket.

%% Two sockets connected with each other, both owned by the caller.
-spec pair(kind()) -> {socket(), socket()}.
pair(Kind) ->
    pair(Kind, fun(_) -> ok end).

%% With buffers so small that a sender soon has to wait.
-spec small_pair(kind()) -> {socket(), socket()}.
small_pair(Kind) ->
    pair(Kind, fun(Socket) ->
        ok = ?S:setopt(Socket, socket, rcvbuf, 8192),
        ok = ?S:setopt(Socket, socket, sndbuf, 8192)
    end).

-spec pair(kind(), fun((socket()) -> ok)) -> {socket(), socket()}.
pair({Domain, dgram}, Prepare) ->
    [A, B] = Sockets = [bound({Domain, dgram}) || _ <- [1, 2]],
    lists:foreach(Prepare, Sockets),
    ok = ?S:connect(A, local_address(B)),
    ok = ?S:connect(B, local_address(A)),
    {A, B};
pair(Kind, Prepare) ->
    Listener = listener(Kind, Prepare),
    Client = unconnected(Kind),
    ok = Prepare(Client),
    Server = accepted(Listener, Client),
    ok = ?S:close(Listener),
    {Client, Server}.

%% Connects Client to Listener and gives the socket at the other end.
-spec accepted(socket(), socket()) -> socket().
accepted(Listener, Client) ->
    ok = ?S:connect(Client, local_address(Listener)),
    {ok, Server} = ?S:accept(Listener, ?PATIENCE),
    Server.

%% Sends until the kernel takes no more; returns the number of bytes that it took.
-spec fill(socket()) -> non_neg_integer().
fill(Socket) ->
    {Taken, SelectInfo} = block(Socket),
    ok = ?S:cancel(Socket, SelectInfo),
    Taken.

%% The same, leaving the select armed.
-spec block(socket()) -> {non_neg_integer(), term()}.
block(Socket) ->
    block(Socket, binary:copy(<<$f>>, 4096), 0).

-spec block(socket(), binary(), non_neg_integer()) -> {non_neg_integer(), term()}.
block(Socket, Data, Taken) ->
    case ?S:send(Socket, Data, nowait) of
        ok ->
            block(Socket, Data, Taken + byte_size(Data));
        {ok, {Rest, _}} ->
            block(Socket, Data, Taken + byte_size(Data) - byte_size(Rest));
        {select, SelectInfo} ->
            {Taken, SelectInfo}
    end.

%% Receives to the end of the stream; returns the data.
-spec drain(socket()) -> binary().
drain(Socket) ->
    iolist_to_binary(drain_to_end(Socket, [])).

-spec drain_to_end(socket(), iolist()) -> iolist().
drain_to_end(Socket, Data) ->
    case ?S:recv(Socket, 0, ?PATIENCE) of
        {ok, More} -> drain_to_end(Socket, [Data | More]);
        {error, closed} -> Data
    end.

%% Receives exactly Size bytes in pieces as they come and forgets them.
-spec drain(socket(), non_neg_integer()) -> ok.
drain(_, 0) ->
    ok;
drain(Socket, Size) when Size > 0 ->
    {ok, Data} = ?S:recv(Socket, 0, ?PATIENCE),
    drain(Socket, Size - byte_size(Data)).

%% Closes a TCP socket so that its peer sees a reset (tcp(7): linger with time-out 0).
-spec reset(socket()) -> ok.
reset(Socket) ->
    ok = ?S:setopt(Socket, socket, linger, {true, 0}),
    ok = ?S:close(Socket).

%% A listener whose queue is full: the next connect stays in progress until somebody accepts.
-spec full_listener() -> {socket(), map(), [socket()]}.
full_listener() ->
    Listener = bound({inet, stream}),
    ok = ?S:listen(Listener, 0),
    Address = local_address(Listener),
    {Listener, Address, fill_queue(Address, [])}.

-spec fill_queue(map(), [socket()]) -> [socket()].
fill_queue(Address, Clients) ->
    Client = unconnected({inet, stream}),
    case ?S:connect(Client, Address, 100) of
        ok ->
            fill_queue(Address, [Client | Clients]);
        {error, timeout} ->
            ok = ?S:close(Client),
            Clients
    end.

%% Until the kernel lists a listening TCP socket on Port of 127.0.0.1 (proc(5), /proc/net/tcp: state 0A).
-spec await_listening(inet:port_number()) -> ok.
await_listening(Port) ->
    Line = iolist_to_binary(io_lib:format("0100007F:~4.16.0B 00000000:0000 0A", [Port])),
    gosocket_test_lib:wait_until(fun() ->
        {ok, Table} = file:read_file("/proc/net/tcp"),
        binary:match(Table, Line) =/= nomatch
    end).

-spec close(tuple() | [socket()]) -> ok.
close(Sockets) when is_list(Sockets) ->
    lists:foreach(fun(Socket) -> ok = ?S:close(Socket) end, Sockets);
close({'$socket', _} = Socket) ->
    ok = ?S:close(Socket);
close(Sockets) ->
    close(tuple_to_list(Sockets)).
