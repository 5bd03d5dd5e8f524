%% @doc The contenders' calls under one name each. `socket' and `gosocket' have the same functions;
%% gen_tcp comes twice, asking for its data and having it sent.
-module(bench_api).

-export([listen/1, port/1, accept/1, connect/2, connect/3, connect_buffered/3,
         send/2, recv/2, recv_select/2, recv_some/2, recv_any/1, close/1,
         udp/1, sendto/3, recvfrom/1,
         getopt/3, ahead/2]).

-export_type([api/0, socket/0, ahead/0]).

%% See bench_prototype.
-type api() :: gosocket | socket | gen_tcp | gen_tcp_active | none | {prototype, Lane :: pid()}.
-type socket() :: {api(), term()}.

%% Whether gosocket's copies of what follows a receive are used; and whether it sends ahead as well.
-type ahead() :: off | default | sends.

-define(LOOPBACK, {127, 0, 0, 1}).
-define(BACKLOG, 1024).

-spec listen(api()) -> socket().
listen({prototype, Lane} = Api) ->
    {Api, proto:listen(Lane)};
listen(Api) when Api =:= gen_tcp; Api =:= gen_tcp_active ->
    {ok, S} = gen_tcp:listen(0, [{ip, ?LOOPBACK}, {backlog, ?BACKLOG}, {reuseaddr, true} | options(Api)]),
    {Api, S};
listen(Api) ->
    {ok, S} = Api:open(inet, stream, tcp),
    {ok, _} = bind(Api, S),
    ok = Api:listen(S, ?BACKLOG),
    {Api, S}.

%% OTP 25 and later answer ok, as the man page of their time says.
-spec bind(socket | gosocket, term()) -> {ok, term()}.
bind(Api, S) ->
    case Api:bind(S, #{family => inet, addr => loopback, port => 0}) of
        ok -> {ok, 0};
        {ok, Port} -> {ok, Port}
    end.

%% A buffer as large as what is asked for at once: gen_tcp's own is 1460 bytes.
-spec options(gen_tcp | gen_tcp_active) -> [gen_tcp:option()].
options(Api) ->
    [binary, {packet, raw}, {nodelay, true}, {buffer, 65536}, {active, Api =:= gen_tcp_active}].

-spec port(socket()) -> inet:port_number().
port({{prototype, _}, {_, Port}}) ->
    Port;
port({Api, S}) when Api =:= gen_tcp; Api =:= gen_tcp_active ->
    {ok, Port} = inet:port(S),
    Port;
port({Api, S}) ->
    {ok, #{port := Port}} = Api:sockname(S),
    Port.

-spec accept(socket()) -> socket().
accept({{prototype, Lane} = Api, {L, _}}) ->
    {Api, proto:accept(Lane, L)};
accept({Api, L}) when Api =:= gen_tcp; Api =:= gen_tcp_active ->
    {ok, S} = gen_tcp:accept(L),
    {Api, S};
accept({Api, L}) ->
    {ok, S} = Api:accept(L),
    ok = Api:setopt(S, tcp, nodelay, true),
    {Api, S}.

-spec connect(api(), inet:port_number()) -> socket().
connect(Api, Port) -> connect(Api, Port, []).

%% @doc With linger of 0 seconds, closing leaves no port in TIME_WAIT.
-spec connect(api(), inet:port_number(), [linger]) -> socket().
connect({prototype, Lane} = Api, Port, _) ->
    {Api, proto:connect(Lane, Port)};
connect(Api, Port, Linger) when Api =:= gen_tcp; Api =:= gen_tcp_active ->
    Options = [{linger, {true, 0}} || linger <- Linger] ++ options(Api),
    {ok, S} = gen_tcp:connect(?LOOPBACK, Port, Options),
    {Api, S};
connect(Api, Port, Linger) ->
    {ok, S} = Api:open(inet, stream, tcp),
    ok = Api:setopt(S, tcp, nodelay, true),
    [ok = Api:setopt(S, socket, linger, #{onoff => true, linger => 0}) || linger <- Linger],
    ok = Api:connect(S, #{family => inet, addr => loopback, port => Port}),
    {Api, S}.

%% @doc For recv_any/1, whose buffer is what nobody has set, or of this size.
-spec connect_buffered(api(), inet:port_number(), default | pos_integer()) -> socket().
connect_buffered(gen_tcp, Port, default) ->
    {ok, S} = gen_tcp:connect(?LOOPBACK, Port, [binary, {active, false}]),
    {gen_tcp, S};
connect_buffered(Api, Port, default) ->
    connect(Api, Port);
connect_buffered(socket, Port, Size) ->
    {socket, S} = Socket = connect(socket, Port),
    ok = socket:setopt(S, {otp, rcvbuf}, Size),
    Socket;
connect_buffered(gosocket, Port, Size) ->
    {gosocket, S} = Socket = connect(gosocket, Port),
    ok = gosocket:setopt(S, otp, rcvbuf, Size),
    Socket.

-spec send(socket(), binary()) -> ok | {error, term()}.
send({{prototype, Lane}, S}, Data) -> proto:op({h, Lane, pa}, S, send, Data);
send({Api, S}, Data) when Api =:= gen_tcp; Api =:= gen_tcp_active -> gen_tcp:send(S, Data);
send({Api, S}, Data) -> Api:send(S, Data).

%% @doc As many bytes as asked for. Without a deadline: a timer would be part of the figure.
-spec recv(socket(), pos_integer()) -> ok | {error, term()}.
recv({gen_tcp_active, S}, Length) ->
    receive
        {tcp, S, Data} when byte_size(Data) =:= Length -> ok;
        {tcp, S, Data} -> recv({gen_tcp_active, S}, Length - byte_size(Data));
        {tcp_closed, S} -> {error, closed};
        {tcp_error, S, Reason} -> {error, Reason}
    end;
recv({{prototype, Lane}, S}, Length) ->
    _ = proto:op({h, Lane, pa}, S, recv, Length),
    ok;
recv({Api, S}, Length) ->
    case Api:recv(S, Length) of
        {ok, _} -> ok;
        Error -> Error
    end.

%% @doc The same with nowait calls, which ask again when a select message says so.
-spec recv_select(socket(), non_neg_integer()) -> ok | {error, term()}.
recv_select(_, 0) ->
    ok;
recv_select({Api, S} = Socket, Length) ->
    case Api:recv(S, Length, [], nowait) of
        {select, {{select_info, _, _} = Info, Data}} -> selected(Socket, Info, Length - byte_size(Data)); % OTP
        {select, Info} -> selected(Socket, Info, Length);
        {ok, {Data, Info}} -> selected(Socket, Info, Length - byte_size(Data));
        {ok, _} -> ok;
        Error -> Error
    end.

-spec selected(socket(), {select_info, term(), term()}, pos_integer()) -> ok | {error, term()}.
selected({_, S} = Socket, {select_info, _, Ref}, Length) ->
    receive
        {'$socket', S, select, Ref} -> recv_select(Socket, Length);
        {'$socket', S, abort, {Ref, Reason}} -> {error, Reason}
    end.

%% @doc Bytes received; as many as asked for where one can ask.
-spec recv_some(socket(), pos_integer()) -> {ok, pos_integer()} | {error, term()}.
recv_some({gen_tcp_active, S}, _Length) ->
    receive
        {tcp, S, Data} -> {ok, byte_size(Data)};
        {tcp_closed, S} -> {error, closed}
    end;
recv_some(Socket, Length) ->
    case recv(Socket, Length) of
        ok -> {ok, Length};
        Error -> Error
    end.

%% @doc Bytes received of what there is.
-spec recv_any(socket()) -> {ok, pos_integer()} | {error, term()}.
recv_any({Api, S}) ->
    case Api:recv(S, 0) of
        {ok, Data} -> {ok, byte_size(Data)};
        Error -> Error
    end.

-spec close(socket()) -> ok.
close({Api, S}) when Api =:= gen_tcp; Api =:= gen_tcp_active -> gen_tcp:close(S);
close({Api, S}) ->
    _ = Api:close(S),
    ok.

-spec udp(socket | gosocket) -> socket().
udp(Api) ->
    {ok, S} = Api:open(inet, dgram, udp),
    {ok, _} = bind(Api, S),
    {Api, S}.

-spec sendto(socket(), binary(), map()) -> ok | {error, term()}.
sendto({Api, S}, Data, Address) -> Api:sendto(S, Data, Address).

-spec recvfrom(socket()) -> {ok, {map(), binary()}} | {error, term()}.
recvfrom({Api, S}) -> Api:recvfrom(S, 0).

%% @doc OTP 24 and later have the option as one argument.
-spec getopt(socket | gosocket, atom(), atom()) -> fun(() -> {ok, term()}).
getopt(gosocket, Level, Key) ->
    {ok, S} = gosocket:open(inet, stream, tcp),
    fun() -> {ok, _} = gosocket:getopt(S, Level, Key) end;
getopt(socket, Level, Key) ->
    {ok, S} = socket:open(inet, stream, tcp),
    fun() -> {ok, _} = socket:getopt(S, {Level, Key}) end.

-spec ahead(socket(), ahead()) -> socket().
ahead({gosocket, S} = Socket, off) ->
    ok = gosocket:setopt(S, otp, receive_ahead, 0),
    Socket;
ahead({gosocket, S} = Socket, sends) ->
    ok = gosocket:setopt(S, otp, send_ahead, 1 bsl 18),
    Socket;
ahead(Socket, _) ->
    Socket.
