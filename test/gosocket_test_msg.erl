%% Messages with control data, and what comes of them.
-module(gosocket_test_msg).

-include("gosocket_test.hrl").

-export([set/2, ctrl/1, delivered/3, plain/1, with_ctrl/1, stamped/2, is_now/1, helper_credentials/0, checksum/1]).

-type option() :: {Level :: atom() | integer(), Key :: atom() | integer(), Value :: term()}.
-type socket() :: gosocket_test_lib:socket().

-export_type([option/0]).

-spec set(socket(), [option()]) -> ok.
set(Socket, Options) ->
    lists:foreach(fun({Level, Key, Value} = Option) ->
        ?assertEqual({Option, ok}, {Option, ?S:setopt(Socket, Level, Key, Value)})
    end, Options).

-spec ctrl(socket()) -> [map()].
ctrl(Socket) ->
    {ok, #{ctrl := Ctrl}} = ?S:recvmsg(Socket, ?PATIENCE),
    Ctrl.

%% The control messages of one message from a socket to its peer, which has these options.
-spec delivered(gosocket_test_net:kind(), [option()], fun((socket()) -> ok)) -> [map()].
delivered(Kind, Options, Send) ->
    {A, B} = gosocket_test_net:pair(Kind),
    set(B, Options),
    ok = Send(A),
    Ctrl = ctrl(B),
    gosocket_test_net:close({A, B}),
    Ctrl.

-spec plain(socket()) -> ok.
plain(Socket) -> ?S:send(Socket, <<"data">>).

-spec with_ctrl([map()]) -> fun((socket()) -> ok | {error, term()}).
with_ctrl(Ctrl) ->
    fun(Socket) -> ?S:sendmsg(Socket, #{iov => [<<"data">>], ctrl => Ctrl}) end.

%% The first packets after the first use of time stamps on a system may lack them: the kernel switches them on later.
-spec stamped(socket(), socket()) -> [map()].
stamped(From, To) ->
    ok = plain(From),
    case ctrl(To) of
        [] -> stamped(From, To);
        Ctrl -> Ctrl
    end.

%% A timeval or a timespec, by the system's clock.
-spec is_now(map()) -> boolean().
is_now(#{sec := Sec, usec := Usec} = Time) when map_size(Time) =:= 2, Usec >= 0, Usec < 1000000 ->
    is_recent(Sec * 1000000000 + Usec * 1000);
is_now(#{sec := Sec, nsec := Nsec} = Time) when map_size(Time) =:= 2, Nsec >= 0, Nsec < 1000000000 ->
    is_recent(Sec * 1000000000 + Nsec).

-spec is_recent(Nanoseconds :: integer()) -> boolean().
is_recent(Time) ->
    abs(os:system_time(nanosecond) - Time) < ?PATIENCE * 1000000.

%% struct ucred of the helper. proc(5): the line "Uid:" of status has the effective one second.
-spec helper_credentials() -> binary().
helper_credentials() ->
    Pid = gosocket_test_lib:helper_os_pid(),
    {ok, Status} = file:read_file("/proc/" ++ integer_to_list(Pid) ++ "/status"),
    [Uid, Gid] = [begin
                      {match, [Id]} = re:run(Status, Key ++ ":\\t[0-9]+\\t([0-9]+)", [{capture, all_but_first, list}]),
                      list_to_integer(Id)
                  end || Key <- ["Uid", "Gid"]],
    <<Pid:32/native, Uid:32/native, Gid:32/native>>.

%% An ICMP packet with its checksum (RFC 1071).
-spec checksum(binary()) -> binary().
checksum(<<Type, Code, 0:16, Rest/binary>> = Packet) ->
    Padded = <<Packet/binary, 0:(8 * (byte_size(Packet) rem 2))>>,
    Sum = lists:sum([Word || <<Word:16>> <= Padded]),
    Folded = (Sum band 16#ffff) + (Sum bsr 16),
    <<Type, Code, (bnot (Folded + (Folded bsr 16))):16, Rest/binary>>.
