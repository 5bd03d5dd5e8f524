%% @private
%% @doc Sockets from descriptors: of the helper, or of the VM. The helper takes a duplicate of a descriptor
%% of the VM by itself (pidfd_getfd(2)) where the system allows it. Where it does not, because of Yama or
%% of a container's rules, the VM sends it over a Unix socket ({@link gosocket_rights}).
%%
%% That one is abstract: everybody may connect to it, and if the helper lives in another network namespace
%% somebody else may listen there. So each side asks the kernel who the other one is before it gives or
%% takes anything.
-module(gosocket_fd).

-export([open/2,
         control/2]).

-define(TIMEOUT, 5000).

-define(SOL_SOCKET, 1).
-define(SCM_RIGHTS, 1).

-type result() :: gosocket:opened(gosocket:timed_reason() | {no_lane, gosocket_lanes:name()}).

-spec open(FD :: integer(), gosocket:openfd_opts()) -> result().
open(FD, #{holder := vm} = Opts) ->
    case openfd(FD, Opts#{holder := list_to_integer(os:getpid())}) of
        {error, Refused} when Refused =:= eperm; Refused =:= enosys; Refused =:= esrch ->
            try
                from_vm(FD, maps:remove(holder, Opts))
            catch
                throw:{?MODULE, Reason} -> {error, Reason}
            end;
        Result ->
            Result
    end;
open(_FD, #{holder := Holder}) when Holder =/= helper ->
    erlang:error({invalid, {holder, Holder}});
open(FD, Opts) ->
    openfd(FD, Opts).

-spec openfd(integer(), map()) -> result().
openfd(FD, #{holder := Vm} = Opts) when Vm =/= helper ->
    gosocket_registry:open({openfd, self(), FD}, Opts);
openfd(FD, Opts) ->
    case gosocket_names:find_descriptor(Opts) of
        {ok, Lane} -> gosocket_registry:open({openfd, self(), FD}, maps:remove(lane, Opts), Lane);
        {error, Reason} -> {error, Reason}
    end.

%% @doc The control messages of a message that this socket is to send, without the word on whose the descriptors in them are. To the
%% helper of the socket a number that means one of another helper is some other file: what comes in the place of such a message is
%% none, which makes the call einval. So it is with several default lanes when nothing is said. Keys that mean nothing the helper refuses.
-spec control(Ctrl :: term(), gosocket_handle:handle()) -> term().
control([#{level := Level, type := Type} = Message | Rest], Handle)
  when Level =:= socket orelse Level =:= ?SOL_SOCKET, Type =:= rights orelse Type =:= ?SCM_RIGHTS ->
    case gosocket_names:is_own(Message, {'$socket', Handle}) of
        true -> [maps:remove(lane, Message) | control(Rest, Handle)];
        false -> [not_of_this_lane | control(Rest, Handle)]
    end;
control([Message | Rest], Handle) ->
    [Message | control(Rest, Handle)];
control(End, _Handle) ->
    End.

-spec from_vm(integer(), map()) -> result().
from_vm(FD, Opts) ->
    {ok, Listener} = good(gosocket:open(local, stream, default, (maps:with([lane], Opts))#{use_registry => false})),
    try
        Address = #{family => local, path => path()},
        {ok, _} = good(gosocket:bind(Listener, Address)),
        ok = good(gosocket:listen(Listener)),
        case gosocket_rights:send(FD, Address, helper(Listener)) of
            ok -> received(Listener, FD, Opts#{lane => Listener});
            {error, ebadf} -> openfd(-1, Opts#{lane => Listener}); % what is said of any descriptor that is not open
            {error, Reason} -> {error, Reason}
        end
    after
        gosocket:close(Listener)
    end.

-spec received(Listener :: gosocket:socket(), integer(), map()) -> result().
received(Listener, FD, Opts) ->
    {ok, Connection} = good(gosocket:accept(Listener, ?TIMEOUT)),
    Vm = list_to_integer(os:getpid()),
    try gosocket:getopt(Connection, socket, peercred) of
        {ok, #{pid := Vm}} ->
            case good(gosocket:recvmsg(Connection, ?TIMEOUT)) of
                {ok, #{ctrl := [#{type := rights, data := <<Received:32/native-signed>>}]}} ->
                    openfd(Received, Opts#{dup => false, origin => FD});
                {ok, #{flags := [ctrunc]}} ->
                    {error, emfile} % the helper had no place for it
            end;
        _ ->
            received(Listener, FD, Opts)
    after
        gosocket:close(Connection)
    end.

-spec good(Result | {error, term()}) -> Result.
good({error, Reason}) -> throw({?MODULE, Reason});
good(Result) -> Result.

%% A name that nobody else has.
-spec path() -> binary().
path() ->
    iolist_to_binary([0, "gosocket-", os:getpid(), $-, integer_to_list(erlang:unique_integer([positive])), $-,
                      integer_to_list(os:perf_counter())]).

%% The process of the helper that the socket is of.
-spec helper(gosocket:socket()) -> pos_integer() | undefined.
helper(Socket) ->
    {ok, Number} = gosocket_names:find(Socket),
    case gosocket_door:look(Number) of
        {Lane, _} -> helper_of(gosocket_wait:ask_lane(Lane, info));
        none -> undefined
    end.

-spec helper_of(map() | {error, closed}) -> pos_integer() | undefined.
helper_of(#{helper := OsPid}) -> OsPid;
helper_of({error, closed}) -> undefined.
