%% What needs a capability, tried in a node whose helper has this or that one (capabilities(7)).
-module(gosocket_test_privilege).

-include("gosocket_test.hrl").

-export([names/0, try_all/0, try_protected/0, try_as_nobody/0]).

-spec names() -> [atom()].
names() -> [Name || {Name, _} <- trials()].

%% How each ended, and the capabilities that the helper really has.
-spec try_all() -> {#{atom() => ok | {error, term()}}, Effective :: non_neg_integer()}.
try_all() ->
    Outcomes = maps:from_list([{Name, ended(Trial())} || {Name, Trial} <- trials()]),
    {Outcomes, effective()}.

%% And what the helper says of itself.
-spec try_protected() -> {#{atom() => ok | {error, term()}}, Effective :: non_neg_integer(), Protections :: map()}.
try_protected() ->
    {Outcomes, Effective} = try_all(),
    #{protections := Protections} = ?S:info(),
    {Outcomes, Effective, Protections}.

%% What a node of an ordinary user wants of its helper: an answer to a ping, and port 80; and what it has of a lane without rights.
-spec try_as_nobody() -> #{atom() => term()}.
try_as_nobody() ->
    {Outcomes, Effective, Protections} = try_protected(),
    {ok, Socket} = ?S:open(inet, stream),
    #{user => string:trim(os:cmd("id -u")),
      ping => ping(),
      port_80 => ?S:bind(Socket, #{family => inet, addr => loopback, port => 80}),
      raw => maps:get(raw_inet, Outcomes),
      raw_of_another_lane => begin
                                 {ok, _} = gosocket_lanes:start(bare, #{capabilities => []}),
                                 ?S:open(inet, raw, icmp, #{lane => bare})
                             end,
      effective => Effective,
      capabilities => maps:get(capabilities, Protections)}.

%% On loopback the request comes to the socket as well.
-spec ping() -> {ok, Payload :: binary()} | {error, term()}.
ping() ->
    case ?S:open(inet, raw, icmp) of
        {ok, Socket} ->
            Request = <<8, 0, (16#ffff - 16#0800 - 16#4712 - 16#6869 - 1):16, 16#4712:16, 1:16, "hi">>,
            ok = ?S:sendto(Socket, Request, #{family => inet, addr => loopback}),
            pong(Socket);
        {error, Reason} ->
            {error, Reason}
    end.

-spec pong(gosocket_test_lib:socket()) -> {ok, binary()} | {error, term()}.
pong(Socket) ->
    case ?S:recv(Socket, 0, ?PATIENCE) of
        {ok, <<4:4, Words:4, Packet/binary>>} ->
            Skipped = 4 * Words - 1,
            case Packet of
                <<_:Skipped/binary, 0, 0, _:16, 16#4712:16, 1:16, Payload/binary>> -> {ok, Payload};
                _ -> pong(Socket)
            end;
        {error, Reason} ->
            {error, Reason}
    end.

-spec ended(term()) -> ok | {error, term()}.
ended(ok) -> ok;
ended({ok, {'$socket', _} = Socket}) -> ?S:close(Socket);
ended({ok, _}) -> ok;
ended({error, _} = Error) -> Error.

%% proc(5), status
-spec effective() -> non_neg_integer().
effective() ->
    {ok, Status} = file:read_file("/proc/" ++ integer_to_list(gosocket_test_lib:helper_os_pid()) ++ "/status"),
    {match, [Bits]} = re:run(Status, "CapEff:\\t([0-9a-f]+)", [{capture, [1], list}]),
    list_to_integer(Bits, 16).

-spec trials() -> [{atom(), fun(() -> term())}].
trials() ->
    [{raw_inet, fun() -> ?S:open(inet, raw, icmp) end},
     {raw_inet6, fun() -> ?S:open(inet6, raw, {raw, 58}) end},
     {raw_number, fun() -> ?S:open(inet, raw, {raw, 253}) end},
     {raw_header, fun() -> ?S:open(inet, raw, raw) end},
     {packet_raw, fun() -> ?S:open(packet, raw, {raw, 16#88b5}) end},
     {packet_dgram, fun() -> ?S:open(packet, dgram, {raw, 16#88b5}) end},
     {netns, fun() -> ?S:open(inet, stream, tcp, #{netns => "/proc/self/ns/net"}) end},
     {low_port, fun low_port/0},
     {option_mark, fun() -> option(socket, mark, 7) end},
     {option_priority, fun() -> option(socket, priority, 7) end},
     {option_rcvbufforce, fun() -> option(socket, rcvbufforce, 100000) end},
     {option_sndbufforce, fun() -> option(socket, sndbufforce, 100000) end},
     {option_transparent, fun() -> option(ip, transparent, true) end},
     {cmsg_mark, fun() -> cmsg({inet, dgram}, #{level => socket, type => 36, data => <<7:32/native>>}) end},
     {cmsg_hopopts, fun() -> cmsg({inet6, dgram}, #{level => ipv6, type => 54, data => <<0, 0, 1, 4, 0:32>>}) end},
     {cmsg_dstopts, fun() -> cmsg({inet6, dgram}, #{level => ipv6, type => 59, data => <<0, 0, 1, 4, 0:32>>}) end},
     {credentials_of_another_user, fun() -> credentials(4711, fun(<<Pid:4/binary, _:4/binary, Gid:4/binary>>, Id) ->
                                                                  <<Pid/binary, Id/binary, Gid/binary>>
                                                              end) end},
     {credentials_of_another_group, fun() -> credentials(4711, fun(<<Ids:8/binary, _:4/binary>>, Id) ->
                                                                   <<Ids/binary, Id/binary>>
                                                               end) end},
     {credentials_of_another_process, fun() -> credentials(list_to_integer(os:getpid()), fun(<<_:4/binary, Ids/binary>>, Id) ->
                                                                                             <<Id/binary, Ids/binary>>
                                                                                         end) end}].

-spec option(atom(), atom(), term()) -> ok | {error, term()}.
option(Level, Key, Value) ->
    Socket = gosocket_test_net:unconnected({inet, dgram}),
    Result = ?S:setopt(Socket, Level, Key, Value),
    ok = ?S:close(Socket),
    Result.

-spec cmsg(gosocket_test_net:kind(), map()) -> ok | {error, term()}.
cmsg(Kind, Message) ->
    {A, _} = Pair = gosocket_test_net:pair(Kind),
    Result = ?S:sendmsg(A, #{iov => [<<"x">>], ctrl => [Message]}),
    gosocket_test_net:close(Pair),
    Result.

-spec credentials(non_neg_integer(), fun((binary(), binary()) -> binary())) -> ok | {error, term()}.
credentials(Id, Change) ->
    Data = Change(gosocket_test_msg:helper_credentials(), <<Id:32/native>>),
    cmsg({local, dgram}, #{level => socket, type => credentials, data => Data}).

%% A free port that the system keeps for the privileged (ip(7), ip_unprivileged_port_start).
-spec low_port() -> {ok, inet:port_number()} | {error, term()}.
low_port() ->
    low_port(1023).

-spec low_port(inet:port_number()) -> {ok, inet:port_number()} | {error, term()}.
low_port(Port) ->
    Socket = gosocket_test_net:unconnected({inet, stream}),
    Result = ?S:bind(Socket, #{family => inet, addr => loopback, port => Port}),
    ok = ?S:close(Socket),
    case Result of
        {error, eaddrinuse} when Port > 900 -> low_port(Port - 1);
        _ -> Result
    end.
