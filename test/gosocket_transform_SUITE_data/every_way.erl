%% The ways in which a program can reach the functions and types of a module, each of them run.
-module(every_way).
-compile({parse_transform, gosocket_transform}).
-export([opened/0, options/1, names/1, connection/1, peer/1, selects/1]).

-import(socket, [sockname/1, setopt/4]).

-record(connection, {socket :: socket:socket() | undefined,
                     peer = none :: socket:sockaddr() | none}).

-type ways() :: [{atom(), {ok, socket:socket()} | {error, socket:errcode() | closed}}].
-opaque connection() :: #connection{}.
-export_type([connection/0]).

-spec opened() -> ways().
opened() ->
    Open = open,
    Fun = fun socket:open/3,
    [{remote, socket:open(inet, dgram, udp)},
     {name_at_run_time, socket:Open(inet, dgram, udp)},
     {a_fun, Fun(inet, dgram, udp)},
     {fun_to_map, hd(lists:map(fun socket:open/1, [-1]))},
     {applied, apply(socket, open, [inet, dgram, udp])},
     {applied_at_run_time, erlang:apply(socket, Open, arguments())},
     {made_fun, (erlang:make_fun(socket, open, 3))(inet, dgram, udp)},
     {timed, element(2, timer:tc(socket, open, [inet, dgram, udp]))},
     {a_tuple, with({socket, open, [inet, dgram, udp]})}].

-spec arguments() -> [atom()].
arguments() -> [inet, dgram, udp].

-spec with({module(), atom(), [term()]}) -> {ok, socket:socket()} | {error, socket:errcode() | closed}.
with({Module, Function, Args}) -> apply(Module, Function, Args).

%% Options of level socket are named by the same atom.
-spec options(socket:socket()) -> [term()].
options(Socket) ->
    ok = setopt(Socket, socket, reuseaddr, true),
    [socket:getopt(Socket, socket, reuseaddr)
     | [socket:getopt(Socket, Level, Option) || {socket = Level, Option, _} <- [{socket, linger, []}, {socket, type, []}]]].

-spec names(socket:socket()) -> [{ok, socket:sockaddr()} | {error, socket:errcode() | closed}].
names(Socket) ->
    Name = sockname,
    [sockname(Socket),
     rpc:call(node(), socket, Name, [Socket]),
     erpc:call(node(), socket, sockname, [Socket], 5000)
     | rpc:pmap({socket, sockname}, [], [Socket])].

-spec connection(socket:socket()) -> connection().
connection(Socket) -> #connection{socket = Socket}.

-spec peer(connection()) -> {ok, socket:sockaddr()} | {error, socket:errcode() | closed}.
peer(#connection{socket = Socket, peer = none}) when Socket =/= undefined -> socket:peername(Socket);
peer(#connection{peer = Peer}) when Peer =/= none -> {ok, Peer}.

-spec selects(socket:socket()) -> boolean().
selects(Socket) ->
    case socket:recv(Socket, 0, nowait) of
        {select, {select_info, recv, Ref} = Info} ->
            ok = socket:cancel(Socket, Info),
            is_reference(Ref);
        _ ->
            false
    end.
